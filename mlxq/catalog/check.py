"""Settings that name a model, a folder or a recording that does not exist. Checked once, when the worker starts."""

import os
from dataclasses import dataclass
from pathlib import Path

from config.settings import Settings, variables
from jobs.kinds import Category
from mlxq.catalog.installed import read_model
from mlxq.catalog.own import folder_settings, is_path
from mlxq.catalog.ref import UnknownModel
from mlxq.catalog.resolve import Catalog

_MODELS = {
    "llm_model": Category.LLM,
    "embedding_model": Category.EMBEDDING,
    "asr_model": Category.ASR,
    "tts_model": Category.TTS,
    "image_model": Category.IMAGE,
}


@dataclass(frozen=True, slots=True)
class Missing:
    """`value` of `variable` names nothing that exists. `reason` is a sentence without the value.

    `final`: only a change of the setting helps; else a download or a mounted disk may.
    `category`: the category whose default model it names.
    """

    variable: str
    value: str
    reason: str
    final: bool
    category: Category | None = None

    def __str__(self) -> str:
        return f"{self.variable}={self.value!r} is wrong; {self.reason}"


def missing(settings: Settings) -> list[Missing]:
    """All of them, in the order of the settings."""
    found = [each for name, category in _MODELS.items() if (each := _model(settings, name, category))]
    if settings.draft_model and (reason := _unresolved(settings, settings.draft_model, Category.LLM)):
        found.append(_missing(settings, "draft_model", *reason))
    for name in folder_settings():
        path = str(getattr(settings, name))
        if path and not Path(path).expanduser().is_dir():
            found.append(_missing(settings, name, "there is no such folder", True))
    recording = settings.tts_ref_audio
    if is_path(recording) and not Path(recording).expanduser().is_file():
        found.append(_missing(settings, "tts_ref_audio", "there is no such file", True))
    for name, folders in (("model_roots", settings.model_roots), ("voices_dir", (settings.voices_dir,))):
        if name in settings.model_fields_set:
            for folder in folders:
                if not folder.is_dir():
                    found.append(Missing(_variable(name), str(folder), "there is no such folder", False))
    if "usage_prices" in settings.model_fields_set and not settings.usage_prices.is_file():
        found.append(_missing(settings, "usage_prices", "there is no such file", False))
    return found


def _model(settings: Settings, name: str, category: Category) -> Missing | None:
    value = str(getattr(settings, name))
    if not value:
        return None
    path = Path(value).expanduser()
    try:
        ref = Catalog(settings).default(category)
        if ref.path is None:
            return _missing(settings, name, "the model is not installed yet", False, category)
        if ref.fault is not None:
            return _missing(settings, name, f"the model can't be used. {ref.fault.reason}", False, category)
    except UnknownModel:
        # A folder's path may be followed by an adapter's name.
        if is_path(value) and not path.exists():
            return _missing(settings, name, "there is no such folder", True, category)
        if path.is_absolute() and read_model(path, path.name) is None:
            return _missing(settings, name, "the folder holds no model that is known", True, category)
        if _a_hub_has(settings, value, category):
            return _missing(settings, name, "the model is not installed", False, category)
        reason = "no such model is installed, and names on a hub are such as org/name"
        return _missing(settings, name, reason, True, category)
    return None


def _unresolved(settings: Settings, value: str, category: Category) -> tuple[str, bool] | None:
    """Why a name means no model, and whether that is final; None when it means one."""
    if is_path(value) and not Path(value).expanduser().exists():
        return "there is no such folder", True
    try:
        Catalog(settings).resolve(value, category)
    except UnknownModel:
        final = not _a_hub_has(settings, value, category)
        return "no such model is installed" + (", and no hub has one" if final else ""), final
    return None


def _a_hub_has(settings: Settings, value: str, category: Category) -> bool:
    """Whether the name could be one on a hub, if downloads were allowed."""
    online = settings.model_copy(update={"auto_download": True, "hf_hub_offline": False})
    try:
        Catalog(online).resolve(value, category)
    except UnknownModel:
        return False
    return True


def _missing(
    settings: Settings, name: str, reason: str, final: bool, category: Category | None = None
) -> Missing:
    return Missing(_variable(name), str(getattr(settings, name)), reason, final, category)


def _variable(name: str) -> str:
    """The environment variable that sets it in this process."""
    return next((each for each in variables(name) if os.environ.get(each)), variables(name)[0])
