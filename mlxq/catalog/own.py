"""Models in folders that a setting names: `LLM_MODEL=/any/folder`, `ZIMAGE_MODEL_DIR=/any/folder`.

Such a folder is a root of its own, wherever it lies. Clients see a model's name; its path is for the log alone.
"""

from collections.abc import Iterator
from pathlib import Path

from config.settings import Settings
from mlxq.catalog.image import FLUX2, Z_IMAGE, missing_files
from mlxq.catalog.installed import Fault, Installed, read_model
from mlxq.catalog.places import tell_once

#: Settings that may name a model's folder, and the family of models that makes pictures which it is of.
_SETTINGS = {
    "llm_model": None,
    "draft_model": None,
    "embedding_model": None,
    "asr_model": None,
    "tts_model": None,
    "image_model": None,
    "zimage_model_dir": Z_IMAGE,
    "flux_model_dir": FLUX2,
}


def own_folders(settings: Settings) -> dict[Path, str | None]:
    """The folders that settings name, resolved, and the family that a setting stands for."""
    found: dict[Path, str | None] = {}
    for name, family in _SETTINGS.items():
        # mlxq's own defaults are in the way of nobody who has other roots.
        folder = folder_of(str(getattr(settings, name))) if name in settings.model_fields_set else None
        if folder is not None:
            found[folder] = family or found.get(folder)
    return found


def folder_of(setting: str) -> Path | None:
    """The folder that a setting names; None when it is the name of a model, or no folder is there."""
    if not setting:
        return None
    try:
        path = Path(setting).expanduser()
        return path.resolve() if path.is_dir() else None
    except (OSError, RuntimeError, ValueError):
        return None


def is_path(setting: str) -> bool:
    """Whether a setting's value is a path and no model's name."""
    return setting.startswith(("/", "~", "."))


def read_own(folder: Path, model_id: str, family: str | None) -> Installed | None:
    """The model in a folder that a setting names. Where `family` is known, it is one even if files lack."""
    model = read_model(folder, model_id)
    if model is not None or family is None or not folder.is_dir():
        return model
    missing = missing_files(folder, family)
    tell_once(f"the model folder %s is not complete. It lacks: {', '.join(missing)}", folder)
    fault = Fault("model_incomplete", f"It lacks: {', '.join(missing)}.")
    return Installed(model_id, folder, False, {"model_type": family}, fault)


def own_models(folders: dict[Path, str | None], known: list[Installed]) -> Iterator[Installed]:
    """The models in these folders that are not among the known ones, under their folder's name."""
    there = {model.path.resolve() for model in known}
    for folder, family in folders.items():
        if folder not in there:
            model = read_own(folder, folder.name, family)
            if model is not None:
                yield model
