"""The models that lie on this machine: folders under the model roots, and snapshots in the hub's cache."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.catalog.category import category_of
from config.catalog.f5_tts import F5_TTS, is_f5_tts
from config.catalog.image import image_family, missing_files
from config.catalog.speech import is_paraformer

#: How deep below a root a model may lie: `name` or `org/name`.
_DEPTH = 2
#: How a folder is called while it is being deleted. What begins with a dot is no model.
TRASH = ".deleted-"
#: A part of weights that were split, as the hubs name it.
_SHARD = re.compile(r"(.+)-([0-9]{5})-of-([0-9]{5})\.safetensors")


@dataclass(frozen=True, slots=True)
class Installed:
    """A model folder. `id` is its name below its root, or its hub id; `cached`: it lies in the hub's cache."""

    id: str
    path: Path
    cached: bool
    config: dict[str, Any] = field(repr=False)

    @property
    def model_type(self) -> str:
        return str(self.config.get("model_type", ""))

    @property
    def category(self) -> str:
        return category_of(self.config, self.path, self.id)

    @property
    def created(self) -> int:
        """When the folder was put there, Unix seconds."""
        file = self.path / "config.json"
        return int((file if file.exists() else self.path).stat().st_mtime)


def installed_models(roots: tuple[Path, ...]) -> Iterator[Installed]:
    """Every complete model below the roots: a folder with `config.json` and weights, with a Paraformer's or an
    F5-TTS's files, or with the parts of a model that makes pictures.

    No link leads out.
    """
    resolved = [root.resolve() for root in roots]
    for root in roots:
        if root.is_dir():
            for model in _below(root, "", _DEPTH):
                if any(model.path.resolve().is_relative_to(each) for each in resolved):
                    yield model


def read_model(path: Path, model_id: str, *, cached: bool = False) -> Installed | None:
    """The model in this folder, or None when it is not (yet) a whole one."""
    if is_paraformer(path):
        return Installed(model_id, path, cached, {})
    if is_f5_tts(path):
        return Installed(model_id, path, cached, {"model_type": F5_TTS})
    family = image_family(path)
    if family is not None:
        # The hub's cache fills up; a folder of the user's is shown as it is, and who wants it learns what it lacks.
        if cached and missing_files(path, family):
            return None
        return Installed(model_id, path, cached, {"model_type": family})
    try:
        config = json.loads((path / "config.json").read_bytes())
    except (OSError, ValueError):
        return None
    # MLX' own checkpoints of Whisper are NumPy files.
    weights = next(path.glob("*.safetensors"), path / "weights.npz")
    if not isinstance(config, dict) or not weights.exists() or not _whole(path):
        return None
    return Installed(model_id, path, cached, config)


def cached_model(cache: Path, model_id: str) -> Installed | None:
    """The model of that hub id in the hub's cache."""
    return next(_snapshot(cache / f"models--{model_id.replace('/', '--')}"), None)


def _whole(path: Path) -> bool:
    """Whether no part of split weights is missing: other programs let a download's files appear one by one."""
    parts = [found for file in path.glob("*-of-*.safetensors") if (found := _SHARD.fullmatch(file.name))]
    return all(
        (path / f"{part[1]}-{number:05}-of-{part[3]}.safetensors").exists()
        for part in parts[:1]
        for number in range(1, int(part[3]) + 1)
    )


def _below(folder: Path, prefix: str, depth: int) -> Iterator[Installed]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or not entry.is_dir():
            continue
        if entry.name.startswith("models--"):
            yield from _snapshot(entry)
            continue
        model = read_model(entry, prefix + entry.name)
        if model:
            yield model
        elif depth > 1:
            yield from _below(entry, f"{prefix}{entry.name}/", depth - 1)


def _snapshot(repository: Path) -> Iterator[Installed]:
    """The snapshot that the main branch of a cached hub repository points to."""
    model_id = repository.name.removeprefix("models--").replace("--", "/", 1)
    try:
        revision = (repository / "refs" / "main").read_text().strip()
    except OSError:
        return
    model = read_model(repository / "snapshots" / revision, model_id, cached=True)
    if model:
        yield model
