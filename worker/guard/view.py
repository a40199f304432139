"""A clean view of a model's folder: the files that a library may see.

The view is a private folder with links to weights and other plain data, and with JSON files that were parsed once and
rewritten without keys that would make a library look for code. It contains nothing else: no Python, no pickle, no
program. This module knows files. It does not know families of models.
"""

import logging
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from mlxq.catalog import foreign_json
from mlxq.catalog.model_json import UnfitFolder, is_read, read_json, shown
from mlxq.media.formats import RECORDING_SUFFIXES
from worker.guard.tokenizers import check_tokenizer

log = logging.getLogger(__name__)

#: Weights: their readers run no code.
_WEIGHTS = frozenset({".safetensors", ".npz", ".gguf"})
#: What libraries read whole: tokenizers, templates, settings. A longer one than any JSON file is left out.
_TEXTS = frozenset(
    {".bpe", ".jinja", ".jsonl", ".model", ".mvn", ".spm", ".tiktoken", ".txt", ".vocab", ".yaml", ".yml"}
)
#: Other plain data.
_DATA = frozenset({".npy", *_TEXTS, *RECORDING_SUFFIXES})
#: Bytes above which a JSON file is linked instead of rewritten, if nothing has to be removed.
_SMALL = 1 << 20
#: Such files that were found valid and without code, by their state: a tokenizer takes half a second to read.
_linked: set[tuple[str, int, int, int, int]] = set()
_MOST_LINKED = 1000
#: Files and levels of folders of a model.
_MOST_FILES, _DEEPEST = 20_000, 5


@dataclass(slots=True, weakref_slot=True)
class View:
    """`path` is the clean folder, with the name of the real one. `code`: files that name code, which is left out."""

    path: Path
    source: Path
    code: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Remove the view. Open files stay readable."""
        shutil.rmtree(self.path.parent, ignore_errors=True)


def make_view(source: Path, scratch: Path, inside: tuple[Path, ...], *, links: bool = False) -> View:
    """A clean view of a model's folder, below `scratch`.

    `inside`: resolved folders that links to files may lead to, beside the model's own. Weights may lie anywhere, and
    with `links` everything may. Raises UnfitFolder, and OSError.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    private = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=scratch))
    view = View(private / source.name, source)
    allowed = None if links else (source.resolve(), *_repository(source), *inside)
    try:
        view.path.mkdir()
        _fill(view, source, view.path, allowed, _DEEPEST, [0])
    except BaseException:
        view.close()
        raise
    return view


def remove_left_behind(scratch: Path) -> None:
    """Remove the views of processes that have ended."""
    for folder in scratch.iterdir() if scratch.is_dir() else ():
        number = folder.name.partition("-")[0]
        if number.isdecimal() and not _alive(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def _fill(
    view: View, source: Path, target: Path, allowed: tuple[Path, ...] | None, levels: int, count: list[int]
) -> None:
    for entry in sorted(source.iterdir()):
        count[0] += 1
        if count[0] > _MOST_FILES:
            raise UnfitFolder(f"has more than {_MOST_FILES} files")
        try:
            real = entry.resolve(strict=True)
            status = real.stat()
        except (OSError, RuntimeError):
            continue
        name = entry.relative_to(view.source).as_posix()
        suffix = entry.suffix.lower()
        if stat.S_ISDIR(status.st_mode):
            if entry.name.startswith(".") or not levels:
                continue
            _refuse_outside(name, real, allowed)
            (target / entry.name).mkdir()
            _fill(view, entry, target / entry.name, allowed, levels - 1, count)
        elif not stat.S_ISREG(status.st_mode) or (suffix in _TEXTS and status.st_size > foreign_json.LONGEST):
            continue
        elif suffix in _WEIGHTS:
            (target / entry.name).symlink_to(real)
        elif suffix in _DATA:
            _refuse_outside(name, real, allowed)
            (target / entry.name).symlink_to(real)
        elif suffix == ".json":
            _refuse_outside(name, real, allowed)
            _take_json(view, name, real, target / entry.name)


def _take_json(view: View, name: str, real: Path, target: Path) -> None:
    status = real.stat()
    version = (str(real), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if version in _linked:
        target.symlink_to(real)
        return
    try:
        parsed = read_json(name, real)
        check_tokenizer(parsed.value)
    except UnfitFolder as error:
        if is_read(target):
            raise
        log.info("%s %s: it is left out", view.source.name, error)
        return
    if parsed.removed:
        view.code.append(name)
    elif status.st_size > _SMALL:
        if len(_linked) >= _MOST_LINKED:
            _linked.clear()
        _linked.add(version)
        target.symlink_to(real)
        return
    target.write_bytes(foreign_json.write(parsed.value))


def _repository(source: Path) -> tuple[Path, ...]:
    """The repository of a snapshot in a hub's cache, which consists of links to its blobs."""
    parent = source.resolve().parent
    return (parent.parent,) if parent.name == "snapshots" else ()


def _refuse_outside(name: str, real: Path, allowed: tuple[Path, ...] | None) -> None:
    if allowed is not None and not any(real.is_relative_to(folder) for folder in allowed):
        raise UnfitFolder(
            f"has a link '{shown(name)}' that leads out of the model roots, which MODEL_LINKS=1 allows"
        )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
