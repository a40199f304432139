"""From a name to a model: installed name → the user's alias → mlxq's own names → path under the roots → unique
basename, in letters of any case → name of another service → hub id.

`<model>+<adapter>` is a model too, with a LoRA adapter put on it. What means nothing as it is written is looked for
without the decorations of other programs (`plain_name`).
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from config.settings import Settings
from jobs.kinds import Category
from jobs.models.alias import ModelAlias
from mlxq.catalog.aliases import DEFAULT, aliases, default_names, own_names, short_names
from mlxq.catalog.defaults import Defaults
from mlxq.catalog.families.family import Family
from mlxq.catalog.families.language import NAMES as LANGUAGE_NAMES
from mlxq.catalog.families.whisper import WHISPER
from mlxq.catalog.local import LocalModels
from mlxq.catalog.own import is_path
from mlxq.catalog.ref import (
    Model,
    ModelRef,
    UnknownAdapter,
    UnknownModel,
    is_hub_id,
    is_valid,
    plain_name,
    ref_of,
)
from mlxq.catalog.service_names import service_category
from mlxq.catalog.source import ModelSource
from mlxq.catalog.usual import AT_ONCE, RANDOM, SHIPPED_NAMES, SOUND, Advice


class Catalog:
    """Resolves names, without a source against the disk as it is now: a model that was just put there is found."""

    def __init__(self, settings: Settings, source: ModelSource | None = None) -> None:
        self._defaults = Defaults.of(settings)
        self._source: ModelSource = source or LocalModels(settings)
        self._auto_download = settings.auto_download
        self._offline = settings.hf_hub_offline
        self._strict = settings.strict
        self._advice = Advice(settings)

    @property
    def names(self) -> Mapping[str, str]:
        """Names that users gave, and the ids of the models."""
        return self._source.names

    @property
    def given_aliases(self) -> Mapping[str, ModelAlias]:
        """Names that users gave to models together with defaults of parameters."""
        return self._source.aliases

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
        """Names of mlxq's own, and of other services, that stand for a model that is here, and the model."""
        return self._here((name, category) for category, names in aliases().items() for name in names)

    def aliased(self) -> Iterator[tuple[str, ModelRef]]:
        """The aliases of users for models that are here, and the models."""
        return self._here((name, Category.LLM) for name in self._source.aliases)

    def is_model(self, name: str) -> bool:
        """Whether a model here has that very name: no alias takes it."""
        means = any(self._defaults.means(category, name) for category in self._defaults.names)
        return means or self._is_installed(name)

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
        """What `find` returns for a name, for the part of it before an adapter's name, or without decorations."""
        try:
            return find(name)
        except UnknownModel:
            for plus in re.finditer(r"(?<=.)\+(?=.)", name):
                adapter = self._source.adapter(name[plus.end() :])
                if adapter is not None:
                    return find(name[: plus.start()]).with_adapter(adapter)
            plain = plain_name(name)
            if plain in ("", name):
                raise
            return self._with_adapter(plain, find)

    def _is_installed(self, name: str) -> bool:
        return any(model.id == name for model in self.installed())

    def _here(self, names: Iterable[tuple[str, Category]]) -> Iterator[tuple[str, ModelRef]]:
        for name, category in names:
            with suppress(UnknownModel):
                ref = self.resolve(name, category)
                if ref.installed:
                    yield name, ref

    def _of_setting(self, name: str) -> ModelRef:
        """What a setting's name means."""
        model = self._source.of_setting(name)
        if model is not None:
            return ref_of(model)
        alias = self._source.aliases.get(name)
        if alias is not None and not self._is_installed(name):
            return replace(self._find(alias.model, defaults=False), alias=alias)
        return self._find(name, defaults=False) if name != DEFAULT else _unknown(name)

    def _of_request(self, name: str, category: Category) -> ModelRef:
        """What a request's name means."""
        alias = self._source.aliases.get(name)
        if alias is None or (alias.model != name and self.is_model(name)):
            return self._named(name, category)
        try:
            ref = self._with_adapter(alias.model, lambda part: self._named(part, category))
        except UnknownModel as error:
            raise UnknownModel(f"'{name}' is an alias of '{alias.model}'. {error}") from None
        return replace(ref, alias=alias)

    def _named(self, name: str, category: Category) -> ModelRef:
        """What a name that is no alias means to a request."""
        if name in ("", DEFAULT):
            return self._usual(category)
        for each in (category, *(other for other in self._defaults.names if other != category)):
            if self._defaults.means(each, name):
                return self.default(each)
        ref = self._find(name)
        if ref.category != category and self._defaults.names.get(category):
            # What a setting names is of the setting's category, whatever its config.json looks like.
            with suppress(UnknownModel):
                default = self.default(category)
                return replace(default, note=ref.note) if default.id == ref.id else ref
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
        folded = _folded(name)
        same = (
            {model.id: model for model in installed if _last(model.id) == name}
            or {model.id: model for model in installed if _folded(model.id) == folded}
            or {model.id: model for model in installed if _folded(_last(model.id)) == folded}
        )
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
        if defaults and (category := service_category(name)):
            return self._for_service(name, category)
        return self._on_hub(name) if is_hub_id(name) else _unknown(name)

    def _default_by(self, name: str) -> ModelRef | None:
        """The default model that a family's name stands for; None for a name that stands for none."""
        lowered = name.lower()
        if lowered in LANGUAGE_NAMES:
            return self._language(name)
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

    def _for_service(self, name: str, category: Category) -> ModelRef:
        """What answers to a name of another service, whose model is not here, and says so. Raises UnknownModel."""
        if self._strict:
            raise UnknownModel(
                f"The model '{name}' does not exist. STRICT is set, so that no other answers in its place."
            )
        ref = self._usual(category, named=True)
        instead = ref.instead and _in_place_of(name, ref.instead)
        return replace(_in_place_of(name, ref), category=ref.category or category, instead=instead)

    def _usual(self, category: Category, *, named: bool = False) -> ModelRef:
        """What answers to those who know no model here: a setting's, an installed one, the recommended one.

        That one is fetched. Where it cannot be, a model that comes with mlxq answers and says so. `named`: the
        request has the name of a model of another service. Raises UnknownModel.
        """
        if self._defaults.chosen(category) and not (named and category in self._defaults.shipped):
            return self.default(category)
        found = self._advice.best([model for model in self.installed() if not model.fault], category)
        if found is not None:
            return ref_of(found)
        shipped = None if named and category in RANDOM else self._shipped(category)
        if shipped is not None and category in (SOUND if named else AT_ONCE):
            return shipped
        try:
            ref = self._on_hub(self._advice.recommended(category).model)
        except UnknownModel:
            if shipped is None:
                raise UnknownModel(self._advice.lacking(category)) from None
            return shipped
        return ref if ref.installed else replace(ref, instead=shipped)

    def _shipped(self, category: Category) -> ModelRef | None:
        """The model that comes with mlxq for a category, which says what it is."""
        name = SHIPPED_NAMES.get(category, "")
        model = self._source.shipped(name) if name else None
        note = self._advice.makeshift(category)
        return replace(ref_of(model), note=note, makeshift=bool(note)) if model else None

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
        if not family.hub_id:
            raise UnknownModel(family.absent)
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


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _folded(name: str) -> str:
    """The same for a name in letters of any case, which the hub and other servers do not tell apart."""
    return unicodedata.normalize("NFC", name).casefold()


def _in_place_of(name: str, ref: ModelRef) -> ModelRef:
    """The model, which says that it answers in place of one of that name."""
    said = f"{ref.note}, in place of" if ref.note else f"the model '{ref.id}' answers in place of"
    return replace(ref, note=f"{said} '{name}'")


def _unknown(name: str) -> ModelRef:
    raise UnknownModel(f"The model '{name}' does not exist. GET /v1/models lists what is there.")
