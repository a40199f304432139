"""From a name to a model: alias → installed name → hub id → path under the roots → unique basename.

`<model>+<adapter>` is a model too, with a LoRA adapter put on it.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from config.settings import REPO, Settings
from mlxq.catalog.adapters import Adapter, find_adapter
from mlxq.catalog.aliases import (
    ALIASES,
    DEFAULT,
    EMBEDDINGS,
    FAMILIES,
    IMAGES,
    RECOGNISERS,
    SPEECH,
    TRANSCRIPTION,
    WHISPERS,
)
from mlxq.catalog.asr import WHISPER, recogniser_family
from mlxq.catalog.category import ASR, EMBEDDING, IMAGE, LLM, TTS
from mlxq.catalog.image import ALIASES as IMAGE_ALIASES
from mlxq.catalog.image import FOLDER_OF as IMAGE_FOLDER_OF
from mlxq.catalog.installed import Fault, Installed, cached_model, installed_models, read_model
from mlxq.catalog.kokoro import KOKORO_82M
from mlxq.catalog.loras import find_lora
from mlxq.catalog.own import is_path, own_folders, own_models, read_own
from mlxq.catalog.places import is_inside
from mlxq.catalog.records import Records
from mlxq.catalog.tts import KOKORO, speech_type
from mlxq.catalog.usual import RECOMMENDED, SHIPPED, SHIPPED_NAMES, advice, best, warning

#: `org/name` as the hubs allow it.
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
#: No name, path or id is longer.
_LONGEST = 1024


class UnknownModel(LookupError):
    """No model has that name. The message is for the user."""


class UnknownAdapter(UnknownModel):
    """The model is known, its adapter is not."""


@dataclass(frozen=True, slots=True)
class ModelRef:
    """What a name means. `id` is the model's one name everywhere.

    `path` and `category` are None while the model is only on a hub. `adapter` makes it another model, whose id ends
    with the adapter's. `fault`: why it can't be used although it is there.
    """

    id: str
    path: Path | None
    adapter: Adapter | None = None
    category: str | None = None
    fault: Fault | None = None
    #: what a client is told about the model that answers
    note: str = ""
    #: what answers where the model can't be fetched
    instead: "ModelRef | None" = None

    @property
    def base_id(self) -> str:
        """The id of the model without its adapter."""
        return self.id.removesuffix(f"+{self.adapter.id}") if self.adapter else self.id


class Catalog:
    """Resolves names against the disk as it is now: a model that was just put there is found."""

    def __init__(self, settings: Settings) -> None:
        image = settings.image_model or settings.zimage_model_dir or settings.flux_model_dir
        #: what the settings name, by category
        self._defaults = {
            LLM: settings.llm_model,
            EMBEDDING: settings.embedding_model,
            ASR: settings.asr_model,
            TTS: settings.tts_model,
            IMAGE: image or str(REPO / "models" / "tiny-image"),
        }
        #: categories whose default is nobody's choice
        self._unchosen = () if image else (IMAGE,)
        #: folders that the settings name for families of models that make pictures
        self._image_folders = {"zimage": settings.zimage_model_dir, "flux": settings.flux_model_dir}
        self._roots = tuple(root.resolve() for root in settings.model_roots)
        #: folders that settings name, each of which is a root of its own
        self._own_folders = own_folders(settings)
        self._links = settings.model_links
        self._cache = settings.hub_cache
        self._auto_download = settings.auto_download
        self._offline = settings.hf_hub_offline
        self.records = Records(settings.data_dir)

    def default(self, category: str = LLM) -> ModelRef:
        """The model of the category's own setting, which may lie outside the roots. Raises UnknownModel."""
        name = self._defaults.get(category, "")
        if not name:
            raise UnknownModel(f"There is no default {category} model: {category.upper()}_MODEL is not set.")
        try:
            return replace(self._named(name, self._own), category=category)
        except UnknownModel:
            if not is_path(name):
                raise
            # The path is the user's, and this is told to every client. `check` names it in the log.
            raise UnknownModel(
                f"There is no default {category} model: no model is where the settings say it is."
            ) from None

    def chosen(self, category: str) -> ModelRef | None:
        """The model that a setting names for a category, None where none does or it does not exist."""
        try:
            return None if category in self._unchosen else self.default(category)
        except UnknownModel:
            return None

    def resolve(self, name: str, category: str = LLM, adapter: str | None = None) -> ModelRef:
        """What `name` means; `category` is whose default an unclear name stands for. Raises UnknownModel.

        `adapter` takes the place of the adapter that the name has. It reads folders: callers in a hurry remember the
        answer.
        """
        if not _valid(name):
            raise UnknownModel(f"The model name is not valid: {name[:64]!r}…")
        if not _valid(adapter or ""):
            raise UnknownAdapter(f"The adapter's name is not valid: {str(adapter)[:64]!r}…")
        ref = self._named(name, lambda part: self._common(part, category))
        if adapter is None:
            return ref
        found = find_adapter(adapter, self._roots)
        if found is None:
            raise UnknownAdapter(
                f"The adapter '{adapter}' does not exist. An adapter is a folder under the model roots with "
                "adapter_config.json and adapters.safetensors."
            )
        return _with_adapter(ref, found)

    def _named(self, name: str, find: Callable[[str], ModelRef]) -> ModelRef:
        """What `find` says of a name, or of the part of it that an adapter follows."""
        try:
            return find(name)
        except UnknownModel:
            for plus in re.finditer(r"(?<=.)\+(?=.)", name):
                adapter = find_adapter(name[plus.end() :], self._roots)
                if adapter is not None:
                    return _with_adapter(find(name[: plus.start()]), adapter)
            raise

    def _own(self, name: str) -> ModelRef:
        """What a setting's name means."""
        path = Path(name).expanduser()
        if path.is_absolute() or path.exists():
            path = path.resolve()
            model = read_own(path, self._id_of(path, path.name), self._own_folders.get(path))
            if model:
                return _ref(model)
        return self._find(name, families=False) if name != DEFAULT else self._unknown(name)

    def _common(self, name: str, category: str) -> ModelRef:
        """What a request's name means."""
        if name in ("", DEFAULT):
            return self._usual(category, shipped=True)
        for each in (category, *(other for other in self._defaults if other != category)):
            setting = self._defaults.get(each, "")
            if setting and name in (setting, _short(setting)):
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
        given = self.records.read().names.get(name)
        if given is not None and given != name:
            return self._find(given, families=False)
        if families and name.lower() in FAMILIES:
            return self._family(name)
        if families and name in EMBEDDINGS:
            return self._usual(EMBEDDING)
        if families and name in SPEECH:
            return self._usual(TTS)
        if families and name in IMAGES:
            return self._usual(IMAGE)
        if name.lower() in IMAGE_ALIASES:
            return self._image(name.lower())
        if families and name in TRANSCRIPTION:
            return self._usual(ASR, shipped=True)
        if families and name.lower() in RECOGNISERS:
            return self._recogniser(name)
        if name.lower() in WHISPERS:
            return self._find(WHISPERS[name.lower()], families=False)
        if name.startswith(("/", "~", ".")):
            return self._path(name)
        same = {model.id: model for model in installed if model.id.rpartition("/")[2] == name}
        # What can't be used stands in nobody's way.
        same = {each: model for each, model in same.items() if not model.fault} or same
        if len(same) == 1:
            return _ref(next(iter(same.values())))
        if len(same) > 1:
            raise UnknownModel(f"The model name '{name}' is ambiguous: {', '.join(sorted(same))}.")
        if name.lower() == KOKORO:
            return self._kokoro(installed)
        if name in SHIPPED_NAMES.values() and (own := read_model(SHIPPED / name, name)):
            return _ref(own)
        return self._on_hub(name) if is_hub_id(name) else self._unknown(name)

    def _usual(self, category: str, *, shipped: bool = False) -> ModelRef:
        """What answers to those who know no model: a setting's, an installed one, one that may be fetched.

        `shipped`: else one that comes with mlxq, which says so. Raises UnknownModel.
        """
        if category not in self._unchosen and self._defaults.get(category):
            return self.default(category)
        found = best([model for model in self.installed() if not model.fault], category)
        if found is not None:
            return _ref(found)
        own = SHIPPED_NAMES.get(category, "") if shipped else ""
        model = read_model(SHIPPED / own, own) if own else None
        instead = replace(_ref(model), note=warning(category)) if model else None
        if category == ASR:
            with suppress(UnknownModel):
                return replace(self._on_hub(RECOMMENDED[ASR].model), instead=instead)
        if instead is None:
            raise UnknownModel(advice(category))
        return instead

    def _kokoro(self, installed: list[Installed]) -> ModelRef:
        """The family by its name: whichever of it is here, else the hub's."""
        for model in installed:
            if not model.fault and model.category == TTS and speech_type(model.config, model.id) == KOKORO:
                return _ref(model)
        return self._on_hub(KOKORO_82M)

    def _on_hub(self, name: str) -> ModelRef:
        """A model that lies in the hub's cache, wherever that is, or that has to be fetched."""
        cached = cached_model(self._cache, name)
        if cached is not None and name not in self.records.read().forgotten:
            return _ref(cached)
        if self._offline:
            raise UnknownModel(
                f"The model '{name}' is not installed, and the hub is offline: HF_HUB_OFFLINE is set."
            )
        if not self._auto_download:
            raise UnknownModel(
                f"The model '{name}' is not installed, and AUTO_DOWNLOAD is off: `mlxq pull {name}` fetches it."
            )
        return ModelRef(name, None)

    def aliases(self) -> Iterator[tuple[str, ModelRef]]:
        """Names that stand for a model that is here, and the model."""
        for category, names in ALIASES.items():
            for name in names:
                with suppress(UnknownModel):
                    ref = self.resolve(name, category)
                    if ref.path is not None:
                        yield name, ref

    def lora(self, name: str) -> Path:
        """The LoRA file of that name, for a model that makes pictures. Raises UnknownAdapter."""
        found = find_lora(name, self._roots) if _valid(name) else None
        if found is None:
            raise UnknownAdapter(
                f"The LoRA {name[:64]!r} does not exist. It is a .safetensors file under the model roots."
            )
        return found

    def left_behind(self, name: str) -> ModelRef | None:
        """The model of that id that was deleted and whose files stayed below a root, outside the hub's cache."""
        if name in self.records.read().forgotten:
            for model in installed_models(self._roots, links=self._links):
                if model.id == name and not model.cached:
                    return _ref(model)
        return None

    def installed(self) -> list[Installed]:
        """What lies below the roots, and what mlxq has fetched; without what was deleted and left there."""
        known = self.records.read()
        found = [
            model
            for model in installed_models(self._roots, links=self._links)
            if model.id not in known.forgotten
        ]
        missing = known.models.keys() - {model.id for model in found}
        cached = (cached_model(self._cache, model_id) for model_id in sorted(missing))
        return [*own_models(self._own_folders, found), *found, *filter(None, cached)]

    def _family(self, name: str) -> ModelRef:
        default = self.default()
        model = read_model(default.path, default.id) if default.path else None
        known = model.model_type if model else default.base_id.rpartition("/")[2].lower().replace("-", "")
        if known in FAMILIES[name.lower()] or (model is None and known.startswith(name.lower())):
            return default
        return self._unknown(name)

    def _recogniser(self, name: str) -> ModelRef:
        """A family of models that transcribe: the default one, if it is of that family."""
        default, family = self._usual(ASR), RECOGNISERS[name.lower()]
        model = read_model(default.path, default.id) if default.path else None
        known = recogniser_family(model.config, model.path) if model else WHISPER
        return default if known == family else self._unknown(name)

    def _image(self, name: str) -> ModelRef:
        """A model that makes pictures, by its short name: the folder that a setting has for it, or the hub's."""
        folder = self._image_folders.get(IMAGE_FOLDER_OF.get(name, ""), "")
        if not folder:
            return replace(self._find(IMAGE_ALIASES[name], families=False), category=IMAGE)
        setting = f"{IMAGE_FOLDER_OF[name].upper()}_MODEL_DIR"
        try:
            return replace(self._own(folder), category=IMAGE)
        except UnknownModel:
            raise UnknownModel(
                f"The model '{name}' does not exist: no model is where {setting} says it is."
            ) from None

    def _path(self, name: str) -> ModelRef:
        """The model in this folder. One message for all that is wrong: what lies outside the roots is not told."""
        model = None
        with suppress(OSError, RuntimeError, ValueError):
            written = Path(name).expanduser()
            path = written.resolve(strict=True)
            if is_inside(written, (*self._roots, *self._own_folders), links=self._links):
                model = read_own(path, self._id_of(path, path.name), self._own_folders.get(path))
        if model is None:
            raise UnknownModel(
                f"The model '{name}' does not exist: a path means a model's folder in one of the MODEL_ROOTS."
            )
        return _ref(model)

    def _id_of(self, path: Path, name: str) -> str:
        """A path's name below its root; outside the roots `name`."""
        for model in installed_models(self._roots, links=self._links):
            if model.path.resolve() == path:
                return model.id
        return name

    @staticmethod
    def _unknown(name: str) -> ModelRef:
        raise UnknownModel(f"The model '{name}' does not exist. GET /v1/models lists what is there.")


def is_hub_id(name: str) -> bool:
    """Whether a hub may have a model of that name."""
    return _HUB_ID.fullmatch(name) is not None and ".." not in name and "--" not in name


def _ref(model: Installed) -> ModelRef:
    return ModelRef(model.id, model.path, category=model.category, fault=model.fault)


def _valid(name: str) -> bool:
    return len(name) <= _LONGEST and "\0" not in name


def _short(setting: str) -> str:
    """A setting's name without the folder that the model lies in."""
    path = Path(setting).expanduser()
    if path.exists():
        return path.name
    model, plus, adapter = setting.partition("+")
    return Path(model).name + plus + adapter


def _with_adapter(ref: ModelRef, adapter: Adapter) -> ModelRef:
    if ref.category not in (None, LLM):
        raise UnknownAdapter(f"The model '{ref.base_id}' takes no adapter: it is no language model.")
    return replace(ref, id=f"{ref.base_id}+{adapter.id}", adapter=adapter)
