"""The models on this machine as the catalog sees them: below the roots, in folders of settings, in the hub's cache.

It looks at the disk as it is now, so that a model that was just put there is found. It does not
know what aliases mean.
"""

from contextlib import suppress
from pathlib import Path

from config.settings import Settings
from jobs.models.alias import ModelAlias
from mlxq.catalog.adapters import Adapter, find_adapter
from mlxq.catalog.alias_file import AliasFile
from mlxq.catalog.installed import (
    Installed,
    Read,
    cached_model,
    cached_models,
    installed_models,
    read_model,
    shipped_folder,
)
from mlxq.catalog.loras import find_lora, lora_name
from mlxq.catalog.own import own_folders, own_models, read_own
from mlxq.catalog.places import is_inside
from mlxq.catalog.records import Records
from mlxq.catalog.ref import ModelRef


class LocalModels:
    """A `ModelSource` of the catalog."""

    def __init__(self, settings: Settings, read: Read = read_model) -> None:
        """`read`: how a folder is read; one that remembers may take the place of `read_model`."""
        self.records = Records(settings.data_dir)
        self._alias_file = AliasFile(settings.alias_file)
        self.roots = tuple(root.resolve() for root in settings.model_roots)
        #: folders that settings name, each of which is a root of its own
        self.own_folders = own_folders(settings)
        self.links = settings.model_links
        self.cache = settings.hub_cache
        self._read = read

    @property
    def names(self) -> dict[str, str]:
        """Names that users gave, and the ids of the models."""
        return self.records.read().names

    @property
    def aliases(self) -> dict[str, ModelAlias]:
        """Those of requests, and those of the user's file, which count more."""
        return {**self.records.read().aliases, **self._alias_file.read()}

    def installed(self) -> list[Installed]:
        """What lies below the roots, and what mlxq has fetched; without what was deleted and left there."""
        known = self.records.read()
        found = [model for model in self.in_roots() if model.id not in known.forgotten]
        missing = known.models.keys() - {model.id for model in found}
        cached = (cached_model(self.cache, model_id, self._read) for model_id in sorted(missing))
        return [*self.of_settings(found), *found, *filter(None, cached)]

    def in_roots(self) -> list[Installed]:
        """What lies below the roots, also what was deleted and left there."""
        return list(installed_models(self.roots, links=self.links, read=self._read))

    def of_settings(self, found: list[Installed]) -> list[Installed]:
        """What lies in folders that settings name, and is not among what was found."""
        return list(own_models(self.own_folders, found, self._read))

    def in_cache(self) -> list[Installed]:
        """What lies in the hub's cache, also what was deleted and left there."""
        return list(cached_models(self.cache, self._read))

    def cached(self, model_id: str) -> Installed | None:
        """The model of that hub id in the hub's cache, unless it was deleted."""
        cached = cached_model(self.cache, model_id, self._read)
        return None if model_id in self.records.read().forgotten else cached

    def left_behind(self, model_id: str) -> Installed | None:
        """The model of that id that was deleted and whose files stayed below a root, outside the hub's cache."""
        if model_id in self.records.read().forgotten:
            for model in self.in_roots():
                if model.id == model_id and not model.cached:
                    return model
        return None

    def shipped(self, name: str) -> Installed | None:
        """The model of that name that comes with mlxq, or with a package that is installed."""
        folder = shipped_folder(name)
        return self._read(folder, name) if folder is not None else None

    def of_ref(self, ref: ModelRef) -> Installed | None:
        """The model that a resolved name means."""
        return self._read(ref.path, ref.base_id) if ref.path is not None else None

    def of_setting(self, value: str) -> Installed | None:
        """The model in the folder that a setting names, wherever it lies. None: no model is there."""
        path = Path(value).expanduser()
        return self._in(path.resolve()) if path.is_absolute() or path.exists() else None

    def outside(self, path: Path) -> Installed | None:
        """The model in this folder, which lies outside the roots."""
        return read_own(path, path.name, self.own_folders.get(path), self._read)

    def of_request(self, name: str) -> Installed | None:
        """The model in the folder that a request names. None: no model is there, or it lies outside the roots."""
        with suppress(OSError, RuntimeError, ValueError):
            written = Path(name).expanduser()
            path = written.resolve(strict=True)
            if is_inside(written, (*self.roots, *self.own_folders), links=self.links):
                return self._in(path)
        return None

    def adapter(self, name: str) -> Adapter | None:
        """The LoRA adapter of that name for language models."""
        return find_adapter(name, self.roots)

    def lora(self, name: str) -> Path | None:
        """The LoRA file of that name for models that make images."""
        return find_lora(name, self.roots)

    def lora_name(self, path: Path) -> str:
        """The name of such a file for every machine that has it below its roots."""
        return lora_name(path, self.roots)

    def _in(self, path: Path) -> Installed | None:
        return read_own(path, self._id_of(path), self.own_folders.get(path), self._read)

    def _id_of(self, path: Path) -> str:
        """A folder's name below its root; outside the roots its last part."""
        for model in self.in_roots():
            if model.path.resolve() == path:
                return model.id
        return path.name
