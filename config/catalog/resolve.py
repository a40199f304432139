"""From a name to a model: alias → installed name → hub id → path under the roots → unique basename."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from config.catalog.aliases import DEFAULT, EMBEDDINGS, FAMILIES
from config.catalog.category import EMBEDDING, LLM
from config.catalog.installed import Installed, installed_models, read_model
from config.settings import Settings

#: `org/name` as the hubs allow it.
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
#: No name, path or id is longer.
_LONGEST = 1024


class UnknownModel(LookupError):
    """No model has that name. The message is for the user."""


@dataclass(frozen=True, slots=True)
class ModelRef:
    """What a name means. `id` is the model's one name everywhere.

    `path` and `category` are None while the model is only on a hub; `adapter` is the folder of the LoRA weights that
    belong to it.
    """

    id: str
    path: Path | None
    adapter: Path | None = None
    category: str | None = None


class Catalog:
    """Resolves names against the disk as it is now: a model that was just put there is found."""

    def __init__(self, settings: Settings) -> None:
        #: what the settings name, by category
        self._defaults = {
            LLM: settings.llm_model,
            EMBEDDING: settings.embedding_model,
            "asr": settings.asr_model,
            "tts": settings.tts_model,
            "image": settings.image_model,
        }
        self._roots = tuple(root.resolve() for root in settings.model_roots)
        self._auto_download = settings.auto_download

    def default(self, category: str = LLM) -> ModelRef:
        """The model of the category's own setting, which may lie outside the roots. Raises UnknownModel."""
        name = self._defaults.get(category, "")
        if not name:
            raise UnknownModel(f"There is no default {category} model: {category.upper()}_MODEL is not set.")
        path = Path(name).expanduser()
        if path.is_absolute() or path.exists():
            model = read_model(path.resolve(), self._id_of(path.resolve(), path.name))
            if model:
                return replace(_ref(model), category=category)
        ref = self._find(name, families=False) if name != DEFAULT else self._unknown(name)
        return replace(ref, category=category)

    def resolve(self, name: str, category: str = LLM) -> ModelRef:
        """What `name` means; `category` is whose default an unclear name stands for. Raises UnknownModel.

        It reads folders: callers in a hurry remember the answer.
        """
        if len(name) > _LONGEST or "\0" in name:
            raise UnknownModel(f"The model name is not valid: {name[:64]!r}…")
        if name in ("", DEFAULT):
            return self.default(category)
        for each in (category, *(other for other in self._defaults if other != category)):
            setting = self._defaults.get(each, "")
            if setting and name in (setting, Path(setting).name):
                return self.default(each)
        ref = self._find(name)
        if ref.category != category and self._defaults.get(category):
            # What a setting names is of the setting's category, whatever its config.json looks like.
            default = self.default(category)
            return default if default.id == ref.id else ref
        return ref

    def _find(self, name: str, *, families: bool = True) -> ModelRef:
        """What a name means that is not the default's. A family is one of the default's own names."""
        installed = self.installed()
        for model in installed:
            if model.id == name:
                return _ref(model)
        if families and name.lower() in FAMILIES:
            return self._family(name)
        if families and name in EMBEDDINGS:
            return self.default(EMBEDDING)
        if name.startswith(("/", "~", ".")):
            return self._path(name)
        same = {model.id: model for model in installed if model.id.rpartition("/")[2] == name}
        if len(same) == 1:
            return _ref(next(iter(same.values())))
        if len(same) > 1:
            raise UnknownModel(f"The model name '{name}' is ambiguous: {', '.join(sorted(same))}.")
        if _HUB_ID.fullmatch(name) and ".." not in name:
            if self._auto_download:
                return ModelRef(name, None)
            raise UnknownModel(f"The model '{name}' is not installed, and AUTO_DOWNLOAD is off.")
        return self._unknown(name)

    def installed(self) -> list[Installed]:
        return list(installed_models(self._roots))

    def _family(self, name: str) -> ModelRef:
        default = self.default()
        model = read_model(default.path, default.id) if default.path else None
        known = model.model_type if model else default.id.rpartition("/")[2].lower().replace("-", "")
        if known in FAMILIES[name.lower()] or (model is None and known.startswith(name.lower())):
            return default
        return self._unknown(name)

    def _path(self, name: str) -> ModelRef:
        try:
            path = Path(name).expanduser().resolve(strict=True)
        except (OSError, RuntimeError):
            return self._unknown(name)
        if not any(path.is_relative_to(root) for root in self._roots):
            return self._unknown(name)
        model = read_model(path, self._id_of(path, path.name))
        return _ref(model) if model else self._unknown(name)

    def _id_of(self, path: Path, name: str) -> str:
        """A path's name below its root; outside the roots `name`."""
        for model in installed_models(self._roots):
            if model.path.resolve() == path:
                return model.id
        return name

    @staticmethod
    def _unknown(name: str) -> ModelRef:
        raise UnknownModel(f"The model '{name}' does not exist. GET /v1/models lists what is there.")


def _ref(model: Installed) -> ModelRef:
    return ModelRef(model.id, model.path, category=model.category)
