"""The inventory of this machine: a card of every model that its disk has. It is read again where files changed."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from config.settings import Settings
from jobs.models.card import Inventory, ModelCard, Place
from mlxq.catalog.cards import Location, card_of
from mlxq.catalog.defaults import Defaults
from mlxq.catalog.installed import Installed, read_model
from mlxq.catalog.local import LocalModels
from mlxq.catalog.removal import Removal
from mlxq.catalog.root_contents import root_contents
from mlxq.catalog.usual import SHIPPED_NAMES

#: How many models are told of.
MOST_MODELS = 4096
#: Seconds after a change in which another one may leave the same time on a file.
_RACY = 0.1
#: Files of a folder whose times are looked at.
_MOST_FILES = 10_000

#: Which folder was read, as what.
_Key = tuple[Path, str, bool]


@dataclass(slots=True)
class _Read:
    """A folder that was read, and the card of its model, if one was made."""

    stamp: int
    model: Installed | None
    location: Location | None = None
    card: ModelCard | None = None


class DiskInventory:
    """Used by one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        self._local = LocalModels(settings, self._read)
        self._removal = Removal(settings)
        self._settings = (*Defaults.of(settings).names.values(), settings.draft_model)
        self._before: dict[_Key, _Read] = {}
        self._now: dict[_Key, _Read] = {}
        self._stamps: dict[Path, int | None] = {}

    def look(self) -> Inventory:
        """What is there now."""
        self._before, self._now, self._stamps = self._now, {}, {}
        cards: dict[str, ModelCard] = {}
        models: set[Path] = set()
        for model, location in self._found():
            models.add(model.path)
            if model.id not in cards and len(cards) < MOST_MODELS:
                with suppress(OSError):
                    cards[model.id] = self._card(model, location)
        return Inventory(cards, root_contents(self._local, models))

    def _found(self) -> Iterator[tuple[Installed, Location]]:
        """Every model, and where it lies. Of several with one id the first counts, as for the worker."""
        known, local = self._local.records.read(), self._local
        below = local.in_roots()
        used = [model for model in below if model.id not in known.forgotten]
        own = local.of_settings(used)
        for model in own:
            yield model, self._location(model, "setting")
        for model in self._of_defaults([*own, *used]):
            yield model, self._location(model, "elsewhere")
        for model in used:
            yield model, self._location(model, "root", fetched=model.id in known.models)
        for model in local.in_cache():
            if model.id not in known.forgotten:
                yield model, self._location(model, "cache", fetched=model.id in known.models)
        for model in below:
            if model.id in known.forgotten and not model.cached:
                yield model, self._location(model, "root", forgotten=True)
        for name in SHIPPED_NAMES.values():
            model_or_none = local.shipped(name)
            if model_or_none is not None:
                yield model_or_none, self._location(model_or_none, "elsewhere")

    def _of_defaults(self, known: list[Installed]) -> Iterator[Installed]:
        """The models in other folders that settings name, also mlxq's own defaults. An adapter's name may follow."""
        for value in filter(None, self._settings):
            parts = value.split("+")
            for length in range(len(parts), 0, -1):
                path = Path("+".join(parts[:length])).expanduser()
                if path.is_dir():
                    folder = path.resolve()
                    if not any(_is_same(each.path, folder) for each in known):
                        model = self._local.outside(folder)
                        if model is not None:
                            yield model
                    break

    def _location(
        self, model: Installed, place: Place, *, fetched: bool = False, forgotten: bool = False
    ) -> Location:
        roots = self._local.roots
        root = next((number for number, each in enumerate(roots) if model.path.is_relative_to(each)), 0)
        return Location(place, root, fetched, forgotten)

    def _card(self, model: Installed, location: Location) -> ModelCard:
        read = self._now.get((model.path, model.id, model.cached))
        if read is not None and read.card is not None and read.location == location:
            return read.card
        card = card_of(model, location, self._removal.kept(model.id, model.path))
        if read is not None:
            read.card, read.location = card, location
        return card

    def _read(self, path: Path, model_id: str, *, cached: bool = False) -> Installed | None:
        """As `read_model`, which is called only where the folder has changed."""
        if path not in self._stamps:
            self._stamps[path] = _stamp(path)
        stamp = self._stamps[path]
        if stamp is None:
            return read_model(path, model_id, cached=cached)
        key = (path, model_id, cached)
        for reads in (self._now, self._before):
            if (read := reads.get(key)) is not None and read.stamp == stamp:
                self._now[key] = read
                return read.model
        self._now[key] = read = _Read(stamp, read_model(path, model_id, cached=cached))
        return read.model


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _stamp(folder: Path) -> int | None:
    """Changes with every change below the folder. None: it can't be told, or a change was a moment ago."""
    seen: list[tuple[str, int, int]] = []
    waiting, newest = [str(folder)], 0
    try:
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    try:
                        status = entry.stat()
                    except OSError:  # a link that leads nowhere
                        status = entry.stat(follow_symlinks=False)
                    seen.append((entry.name, status.st_ctime_ns, status.st_size))
                    newest = max(newest, status.st_ctime_ns)
                    if is_folder:
                        waiting.append(entry.path)
            if len(seen) > _MOST_FILES:
                return None
        status = folder.stat()
    except OSError:
        return None
    newest = max(newest, status.st_ctime_ns)
    if abs(time.time() - newest / 1e9) < _RACY:
        return None
    return hash((status.st_ctime_ns, status.st_ino, *seen))
