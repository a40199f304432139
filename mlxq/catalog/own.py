"""Models in folders that a setting names: `LLM_MODEL=/any/folder`, `ZIMAGE_MODEL_DIR=/any/folder`.

Such a folder is a root of its own, wherever it lies. Clients see the model's name; only the log shows its path.
"""

from collections.abc import Iterator
from pathlib import Path

from config.settings import Settings
from jobs.models.card import Fault
from mlxq.catalog.families.family import Family
from mlxq.catalog.families.table import families
from mlxq.catalog.installed import Installed, Read, read_model
from mlxq.catalog.places import tell_once

#: Settings that may name a model's folder, of whatever family.
_SETTINGS = ("llm_model", "draft_model", "embedding_model", "asr_model", "tts_model", "image_model")


def folder_settings() -> dict[str, Family]:
    """The settings that name a folder for one family, and the family."""
    return {family.folder_setting: family for family in families(Family) if family.folder_setting}


def own_folders(settings: Settings) -> dict[Path, Family | None]:
    """The folders that settings name, resolved, and the family that a setting is for."""
    found: dict[Path, Family | None] = {}
    for name, family in {**dict.fromkeys(_SETTINGS), **folder_settings()}.items():
        # Only what somebody has set: mlxq's own defaults are no models of those who have other roots.
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


def read_own(folder: Path, model_id: str, family: Family | None, read: Read = read_model) -> Installed | None:
    """The model in a folder that a setting names. With a `family` it is one even if files are missing."""
    model = read(folder, model_id)
    if model is not None or family is None or not folder.is_dir():
        return model
    missing = family.missing_files(folder)
    tell_once(f"the model folder %s is not complete. It lacks: {', '.join(missing)}", folder)
    fault = Fault("model_incomplete", f"It lacks: {', '.join(missing)}.")
    return Installed(model_id, folder, False, {"model_type": family.name}, fault)


def own_models(
    folders: dict[Path, Family | None], known: list[Installed], read: Read = read_model
) -> Iterator[Installed]:
    """The models in these folders that are not among the known ones, under their folder's name."""
    there = {model.path.resolve() for model in known} if folders else set()
    for folder, family in folders.items():
        if folder not in there:
            model = read_own(folder, folder.name, family, read)
            if model is not None:
                yield model
