"""Which models the settings name: one for each category, and folders for families."""

from dataclasses import dataclass
from pathlib import Path

from config.settings import Settings
from mlxq.catalog.category import ASR, EMBEDDING, IMAGE, LLM, TTS
from mlxq.catalog.own import folder_settings
from mlxq.catalog.usual import SHIPPED, SHIPPED_NAMES


@dataclass(frozen=True, slots=True)
class Defaults:
    """`names`: what the settings name, by category. `unchosen`: categories whose default nobody has chosen.

    `folders`: the settings that name a folder for a family, and their values.
    """

    names: dict[str, str]
    unchosen: frozenset[str]
    folders: dict[str, str]

    @classmethod
    def of(cls, settings: Settings) -> "Defaults":
        folders = {setting: str(getattr(settings, setting)) for setting in folder_settings()}
        image = next(filter(None, (settings.image_model, *folders.values())), "")
        names = {
            LLM: settings.llm_model,
            EMBEDDING: settings.embedding_model,
            ASR: settings.asr_model,
            TTS: settings.tts_model,
            IMAGE: image or str(SHIPPED / SHIPPED_NAMES[IMAGE]),
        }
        return cls(names, frozenset() if image else frozenset({IMAGE}), folders)

    def chosen(self, category: str) -> bool:
        """Whether somebody has named a model for the category."""
        return category not in self.unchosen and bool(self.names.get(category))

    def means(self, category: str, name: str) -> bool:
        """Whether `name` is how the category's setting names its model, or the last part of that."""
        setting = self.names.get(category, "")
        return bool(setting) and name in (setting, _short(setting))


def _short(setting: str) -> str:
    """A setting's name without the folder that the model lies in."""
    path = Path(setting).expanduser()
    if path.exists():
        return path.name
    model, plus, adapter = setting.partition("+")
    return Path(model).name + plus + adapter
