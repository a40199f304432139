"""The models that names in requests may mean, in memory: resolving a known name opens no file and asks nobody.

It knows when to look again. What a name means is the catalog's, and what is there is told by cards.
"""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from api.http.models.machines import Machines
from api.http.models.model_names import Given, ModelNames
from config.settings import Settings
from jobs.client import JobClient
from jobs.errors import MlxqError
from jobs.kinds import Category
from jobs.models.card import Inventory
from mlxq.catalog import Catalog, ModelRef, UnknownModel
from mlxq.catalog.published import PublishedModels

#: Seconds for which what is known holds, and how many resolved names are remembered.
_FRESH, _REMEMBERED = 1.0, 256

#: A name, the category that it is used for, and the name of an adapter.
_Wanted = tuple[str, Category, str | None]


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known, and what it makes of names."""

    inventories: tuple[Inventory, ...]
    given: Given
    catalog: Catalog
    refs: dict[_Wanted, ModelRef] = field(default_factory=dict)


class KnownModels:
    """One per application. In-process test clients use it from several threads and event loops."""

    def __init__(self, settings: Settings, machines: Machines, names: ModelNames) -> None:
        self._settings = settings
        self._machines = machines
        self._names = names
        self._known: _Known | None = None
        self._until = float("-inf")
        self._looked_at = float("-inf")
        self._looking: WeakKeyDictionary[JobClient, asyncio.Lock] = WeakKeyDictionary()

    async def catalog(self, jobs: JobClient) -> Catalog:
        """What is known, about a second old at most."""
        return (await self._fresh(jobs)).catalog

    async def look(self, jobs: JobClient) -> Catalog:
        """What is there now."""
        return (await self._look(jobs)).catalog

    async def resolve(self, jobs: JobClient, *wanted: *_Wanted) -> ModelRef:
        """What a name means. Who asks for a model that was just put there finds it. Raises UnknownModel."""
        known = await self._fresh(jobs)
        ref = known.refs.get(wanted)
        if ref is not None:
            return ref
        try:
            ref = await asyncio.to_thread(known.catalog.resolve, *wanted)
        except UnknownModel:
            ref = None
        if ref is None or not _is_sure(ref):
            known = await self._look(jobs)
            ref = await asyncio.to_thread(known.catalog.resolve, *wanted)
        if _is_sure(ref):
            if len(known.refs) >= _REMEMBERED:
                known.refs.clear()
            known.refs[wanted] = ref
        return ref

    def forget(self) -> None:
        """Models were added or removed: the next request looks again."""
        self._until = float("-inf")

    async def _fresh(self, jobs: JobClient) -> _Known:
        known = self._known
        if known is not None and time.monotonic() < self._until:
            return known
        # Others use what is known meanwhile.
        self._until = time.monotonic() + _FRESH
        return await self._learn(jobs, self._machines.inventories(jobs))

    async def _look(self, jobs: JobClient) -> _Known:
        """One look at a time, which serves all who asked before it began."""
        asked = time.monotonic()
        async with self._looking.setdefault(jobs, asyncio.Lock()):
            if self._known is not None and self._looked_at > asked:
                return self._known
            self._looked_at = time.monotonic()
            return await self._learn(jobs, self._machines.look(jobs))

    async def _learn(self, jobs: JobClient, reading: Coroutine[Any, Any, tuple[Inventory, ...]]) -> _Known:
        """What the inventories say. While Redis is away, what is known holds."""
        known, began = self._known, time.monotonic()
        try:
            inventories = await reading
        except MlxqError:
            if known is not None:
                return known
            inventories = (await asyncio.to_thread(self._machines.own),)
        given = await self._names.read(jobs)
        if known is None or (known.inventories, known.given) != (inventories, given):
            source = PublishedModels(self._settings, inventories, given.names, given.aliases)
            known = _Known(inventories, given, Catalog(self._settings, source))
        self._known, self._until = known, began + _FRESH
        return known


def _is_sure(ref: ModelRef) -> bool:
    """Whether nothing that was put there a moment ago could be meant instead."""
    return ref.installed and not ref.makeshift
