"""From a name to a model: alias → installed name → hub id → path under the roots → unique basename.

`<model>+<adapter>` is a model too, with a LoRA adapter put on it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from config.settings import Settings
from jobs.kinds import Category
from mlxq.catalog.aliases import DEFAULT, aliases, default_names, openai_category, own_names, short_names
from mlxq.catalog.defaults import Defaults
from mlxq.catalog.families.family import Family
from mlxq.catalog.families.language import NAMES as LANGUAGE_NAMES
from mlxq.catalog.families.whisper import WHISPER
from mlxq.catalog.local import LocalModels
from mlxq.catalog.own import is_path
from mlxq.catalog.ref import Model, ModelRef, UnknownAdapter, UnknownModel, is_hub_id, is_valid, ref_of
from mlxq.catalog.source import ModelSource
from mlxq.catalog.usual import RECOMMENDED, SHIPPED_NAMES, advice, best, warning


class Catalog:
    """Resolves names, without a source against the disk as it is now: a model that was just put there is found."""

    def __init__(self, settings: Settings, source: ModelSource | None = None) -> None:
        self._defaults = Defaults.of(settings)
        self._source: ModelSource = source or LocalModels(settings)
        self._auto_download = settings.auto_download
        self._offline = settings.hf_hub_offline

    @property
    def names(self) -> Mapping[str, str]:
        """Names that users gave, and the ids of the models."""
        return self._source.names

    def default(self, category: Category = Category.LLM) -> ModelRef:
        """The model of the category's own setting, which may lie outside the roots. Raises UnknownModel."""
        name = self._defaults.names.get(category, "")
        if not name:
            raise UnknownModel(f"There is no default {category} model: {category.upper()}_MODEL is not set.")
        try:
            return replace(self._with_adapter(name, self._of_setting), category=category)
        except UnknownModel:
            if not is_path(name):
                raise
            # The path is the user's, and this is told to every client. `check` names it in the log.
            raise UnknownModel(
                f"There is no default {category} model: no model is where the settings say it is."
            ) from None

    def chosen(self, category: Category) -> ModelRef | None:
        """The model that a setting names for a category, None where none does or it does not exist."""
        try:
            return None if category in self._defaults.unchosen else self.default(category)
        except UnknownModel:
            return None

    def resolve(self, name: str, category: Category = Category.LLM, adapter: str | None = None) -> ModelRef:
        """What `name` means; `category` is whose default an unclear name stands for. Raises UnknownModel.

        `adapter` takes the place of the adapter that the name has. It reads folders: callers in a hurry remember the
        answer.
        """
        if not is_valid(name):
            raise UnknownModel(f"The model name is not valid: {name[:64]!r}…")
        if not is_valid(adapter or ""):
            raise UnknownAdapter(f"The adapter's name is not valid: {str(adapter)[:64]!r}…")
        ref = self._with_adapter(name, lambda part: self._of_request(part, category))
        if adapter is None:
            return ref
        found = self._source.adapter(adapter)
        if found is None:
            raise UnknownAdapter(
                f"The adapter '{adapter}' does not exist. An adapter is a folder under the model roots with "
                "adapter_config.json and adapters.safetensors."
            )
        return ref.with_adapter(found)

    def aliases(self) -> Iterator[tuple[str, ModelRef]]:
        """Names that stand for a model that is here, and the model."""
        for category, names in aliases().items():
            for name in names:
                with suppress(UnknownModel):
                    ref = self.resolve(name, category)
                    if ref.installed:
                        yield name, ref

    def lora(self, name: str) -> Path:
        """The LoRA file of that name, for a model that makes images. Raises UnknownAdapter."""
        found = self._source.lora(name) if is_valid(name) else None
        if found is None:
            raise UnknownAdapter(
                f"The LoRA {name[:64]!r} does not exist. It is a .safetensors file under the model roots."
            )
        return found

    def lora_name(self, name: str) -> str:
        """The name of that LoRA file for every machine that has it below its roots. Raises UnknownAdapter."""
        return self._source.lora_name(self.lora(name))

    def left_behind(self, name: str) -> ModelRef | None:
        """The model of that id that was deleted and whose files stayed below a root, outside the hub's cache."""
        model = self._source.left_behind(name)
        return ref_of(model) if model else None

    def installed(self) -> Sequence[Model]:
        """What lies below the roots, and what mlxq has fetched; without what was deleted and left there."""
        return self._source.installed()

    def _with_adapter(self, name: str, find: Callable[[str], ModelRef]) -> ModelRef:
        """What `find` returns for a name, or for the part of it before an adapter's name."""
        try:
            return find(name)
        except UnknownModel:
            for plus in re.finditer(r"(?<=.)\+(?=.)", name):
                adapter = self._source.adapter(name[plus.end() :])
                if adapter is not None:
                    return find(name[: plus.start()]).with_adapter(adapter)
            raise

    def _of_setting(self, name: str) -> ModelRef:
        """What a setting's name means."""
        model = self._source.of_setting(name)
        if model is not None:
            return ref_of(model)
        return self._find(name, defaults=False) if name != DEFAULT else _unknown(name)

    def _of_request(self, name: str, category: Category) -> ModelRef:
        """What a request's name means."""
        if name in ("", DEFAULT):
            return self._usual(category, shipped=True)
        for each in (category, *(other for other in self._defaults.names if other != category)):
            if self._defaults.means(each, name):
                return self.default(each)
        ref = self._find(name)
        if ref.category != category and self._defaults.names.get(category):
            # What a setting names is of the setting's category, whatever its config.json looks like.
            default = self.default(category)
            return default if default.id == ref.id else ref
        return ref

    def _find(self, name: str, *, defaults: bool = True) -> ModelRef:
        """What a name means. Without `defaults` none that stands for a default model is known."""
        installed = self.installed()
        for model in installed:
            if model.id == name:
                return ref_of(model)
        given = self._source.names.get(name)
        if given is not None and given != name:
            return self._find(given, defaults=False)
        ref = (self._default_by(name) if defaults else None) or self._short(name)
        if ref is not None:
            return ref
        if is_path(name):
            return self._path(name)
        same = {model.id: model for model in installed if model.id.rpartition("/")[2] == name}
        # What cannot be used hides nothing that can.
        same = {each: model for each, model in same.items() if not model.fault} or same
        if len(same) == 1:
            return ref_of(next(iter(same.values())))
        if len(same) > 1:
            raise UnknownModel(f"The model name '{name}' is ambiguous: {', '.join(sorted(same))}.")
        if family := own_names().get(name.lower()):
            return self._any_of(family, installed)
        if name in SHIPPED_NAMES.values() and (own := self._source.shipped(name)):
            return ref_of(own)
        return self._on_hub(name) if is_hub_id(name) else _unknown(name)

    def _default_by(self, name: str) -> ModelRef | None:
        """The default model that a name stands for; None for a name that stands for none."""
        lowered = name.lower()
        if lowered in LANGUAGE_NAMES:
            return self._language(name)
        if category := openai_category(name):
            return self._usual(category, shipped=category == Category.ASR)
        family = default_names(Category.ASR).get(lowered)
        return self._default_of(family, name) if family else None

    def _short(self, name: str) -> ModelRef | None:
        """The model that a family's short name stands for; None for another name."""
        short = name.lower()
        if family := short_names(Category.IMAGE).get(short):
            return self._image(family, short)
        if family := short_names(Category.ASR).get(short):
            return self._find(family.short_names[short], defaults=False)
        return None

    def _usual(self, category: Category, *, shipped: bool = False) -> ModelRef:
        """What answers to those who know no model: a setting's, an installed one, one that may be fetched.

        `shipped`: else one that comes with mlxq, which says so. Raises UnknownModel.
        """
        if self._defaults.chosen(category):
            return self.default(category)
        found = best([model for model in self.installed() if not model.fault], category)
        if found is not None:
            return ref_of(found)
        own = SHIPPED_NAMES.get(category, "") if shipped else ""
        model = self._source.shipped(own) if own else None
        instead = replace(ref_of(model), note=warning(category)) if model else None
        if category == Category.ASR:
            with suppress(UnknownModel):
                return replace(self._on_hub(RECOMMENDED[Category.ASR].model), instead=instead)
        if instead is None:
            raise UnknownModel(advice(category))
        return instead

    def _on_hub(self, name: str) -> ModelRef:
        """A model that lies in the hub's cache, wherever that is, or that has to be fetched."""
        cached = self._source.cached(name)
        if cached is not None:
            return ref_of(cached)
        if self._offline:
            raise UnknownModel(
                f"The model '{name}' is not installed, and the hub is offline: HF_HUB_OFFLINE is set."
            )
        if not self._auto_download:
            raise UnknownModel(
                f"The model '{name}' is not installed, and AUTO_DOWNLOAD is off: `mlxq pull {name}` fetches it."
            )
        return ModelRef(name, None)

    def _any_of(self, family: Family, installed: Sequence[Model]) -> ModelRef:
        """Whichever model of the family is installed, else the hub's."""
        for model in installed:
            if not model.fault and model.family_name == family.name:
                return ref_of(model)
        return self._on_hub(family.hub_id)

    def _language(self, name: str) -> ModelRef:
        """The default language model, if it is of the family that OminiX' clients call so."""
        default = self.default()
        model = self._source.of_ref(default)
        known = model.model_type if model else default.base_id.rpartition("/")[2].lower().replace("-", "")
        if known in LANGUAGE_NAMES[name.lower()] or (model is None and known.startswith(name.lower())):
            return default
        return _unknown(name)

    def _default_of(self, family: Family, name: str) -> ModelRef:
        """The default model of the family's category, if it is of that family."""
        default = self._usual(family.category)
        model = self._source.of_ref(default)
        # What is fetched where nothing is installed is a Whisper.
        return default if family.name == (model.family_name if model else WHISPER.name) else _unknown(name)

    def _image(self, family: Family, name: str) -> ModelRef:
        """A model that makes images, by its short name: the folder that a setting has for it, or the hub's."""
        folder = self._defaults.folders.get(family.folder_setting, "")
        if not folder:
            return replace(self._find(family.short_names[name], defaults=False), category=Category.IMAGE)
        try:
            return replace(self._of_setting(folder), category=Category.IMAGE)
        except UnknownModel:
            setting = family.folder_setting.upper()
            raise UnknownModel(
                f"The model '{name}' does not exist: no model is where {setting} says it is."
            ) from None

    def _path(self, name: str) -> ModelRef:
        """The model in this folder. One message for all that is wrong: what lies outside the roots is not told."""
        model = self._source.of_request(name)
        if model is None:
            raise UnknownModel(
                f"The model '{name}' does not exist: a path means a model's folder in one of the MODEL_ROOTS."
            )
        return ref_of(model)


def _unknown(name: str) -> ModelRef:
    raise UnknownModel(f"The model '{name}' does not exist. GET /v1/models lists what is there.")
