"""The models on this machine as the catalog sees them: below the roots, in folders of settings, in the hub's cache.

It looks at the disk as it is now, so that a model that was just put there is found. It does not know aliases.
"""

from contextlib import suppress
from pathlib import Path

from config.settings import Settings
from mlxq.catalog.adapters import Adapter, find_adapter
from mlxq.catalog.installed import Installed, cached_model, installed_models
from mlxq.catalog.loras import find_lora, lora_name
from mlxq.catalog.own import own_folders, own_models, read_own
from mlxq.catalog.places import is_inside
from mlxq.catalog.records import Records


class LocalModels:
    def __init__(self, settings: Settings) -> None:
        self.records = Records(settings.data_dir)
        self._roots = tuple(root.resolve() for root in settings.model_roots)
        #: folders that settings name, each of which is a root of its own
        self._own_folders = own_folders(settings)
        self._links = settings.model_links
        self._cache = settings.hub_cache

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

    def cached(self, model_id: str) -> Installed | None:
        """The model of that hub id in the hub's cache, unless it was deleted."""
        cached = cached_model(self._cache, model_id)
        return None if model_id in self.records.read().forgotten else cached

    def left_behind(self, model_id: str) -> Installed | None:
        """The model of that id that was deleted and whose files stayed below a root, outside the hub's cache."""
        if model_id in self.records.read().forgotten:
            for model in installed_models(self._roots, links=self._links):
                if model.id == model_id and not model.cached:
                    return model
        return None

    def of_setting(self, value: str) -> Installed | None:
        """The model in the folder that a setting names, wherever it lies. None: no model is there."""
        path = Path(value).expanduser()
        return self._read(path.resolve()) if path.is_absolute() or path.exists() else None

    def of_request(self, name: str) -> Installed | None:
        """The model in the folder that a request names. None: no model is there, or it lies outside the roots."""
        with suppress(OSError, RuntimeError, ValueError):
            written = Path(name).expanduser()
            path = written.resolve(strict=True)
            if is_inside(written, (*self._roots, *self._own_folders), links=self._links):
                return self._read(path)
        return None

    def adapter(self, name: str) -> Adapter | None:
        """The LoRA adapter of that name for language models."""
        return find_adapter(name, self._roots)

    def lora(self, name: str) -> Path | None:
        """The LoRA file of that name for models that make images."""
        return find_lora(name, self._roots)

    def lora_name(self, path: Path) -> str:
        """The name of such a file for every machine that has it below its roots."""
        return lora_name(path, self._roots)

    def _read(self, path: Path) -> Installed | None:
        return read_own(path, self._id_of(path), self._own_folders.get(path))

    def _id_of(self, path: Path) -> str:
        """A folder's name below its root; outside the roots its last part."""
        for model in installed_models(self._roots, links=self._links):
            if model.path.resolve() == path:
                return model.id
        return path.name
