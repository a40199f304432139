"""Which models the settings name: one for each category, and folders for families."""

from dataclasses import dataclass
from pathlib import Path

from config.settings import Settings
from jobs.kinds import Category
from mlxq.catalog.installed import SHIPPED
from mlxq.catalog.own import folder_settings
from mlxq.catalog.usual import SHIPPED_NAMES


@dataclass(frozen=True, slots=True)
class Defaults:
    """`names`: what the settings name, by category. `unchosen`: categories whose default nobody has chosen.

    `shipped`: categories whose default is a small model that comes with mlxq, as nobody has chosen another.
    `folders`: the settings that name a folder for a family, and their values.
    """

    names: dict[Category, str]
    unchosen: frozenset[Category]
    shipped: frozenset[Category]
    folders: dict[str, str]

    @classmethod
    def of(cls, settings: Settings) -> "Defaults":
        folders = {setting: str(getattr(settings, setting)) for setting in folder_settings()}
        image = next(filter(None, (settings.image_model, *folders.values())), "")
        names = {
            Category.LLM: settings.llm_model,
            Category.EMBEDDING: settings.embedding_model,
            Category.ASR: settings.asr_model,
            Category.TTS: settings.tts_model,
            Category.IMAGE: image or str(SHIPPED / SHIPPED_NAMES[Category.IMAGE]),
        }
        unchosen = frozenset() if image else frozenset({Category.IMAGE})
        own = frozenset() if "llm_model" in settings.model_fields_set else frozenset({Category.LLM})
        return cls(names, unchosen, unchosen | own, folders)

    def chosen(self, category: Category) -> bool:
        """Whether somebody has named a model for the category."""
        return category not in self.unchosen and bool(self.names.get(category))

    def means(self, category: Category, name: str) -> bool:
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
