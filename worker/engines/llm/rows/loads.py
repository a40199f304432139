"""Prompts whose beginnings are being loaded from the disk, before a runner reads the rest.

This module knows rows and loads. It does not know requests or text. It belongs to the thread of its model.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from worker.engines.llm.prompt_cache import Beginning
from worker.engines.llm.prompt_cache.disk_loading import Loading
from worker.engines.llm.rows.row import Row
from worker.memory import is_out_of_memory

log = logging.getLogger(__name__)

#: Has the rows of a prompt read and answered, which starts with this beginning.
Start = Callable[[Beginning], None]


@dataclass(frozen=True, slots=True)
class Begun:
    """The prompt of these rows is loaded as far as it was stored: `cached` tokens. `error`: it could not begin."""

    rows: list[Row]
    cached: int
    error: Exception | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Load:
    loading: Loading
    rows: list[Row]
    #: what is cached in memory
    memory: Beginning
    start: Start


class Loads:
    """Loads one prompt after the other, while others decode."""

    def __init__(self) -> None:
        self._loads: list[_Load] = []

    def add(self, rows: list[Row], loading: Loading, otherwise: Beginning, start: Start) -> None:
        """Start the rows when the prompt is loaded; with `otherwise`, if that is longer then."""
        self._loads.append(_Load(loading, rows, otherwise, start))

    def step(self) -> list[Begun]:
        """Load a little more. Returns the prompts that have begun."""
        if not self._loads:
            return []
        load = self._loads[0]
        try:
            if not load.loading.step():
                return []
        except Exception as error:
            if is_out_of_memory(error):
                raise
            # The disk only saves time: no request fails because of it.
            log.exception("a stored prompt could not be loaded")
            load.loading.cancel()
        self._loads.remove(load)
        found = load.loading.beginning or load.memory
        if found.length < load.memory.length:
            found = load.memory
        try:
            load.start(found)
        except Exception as error:
            return [Begun(load.rows, 0, error)]
        return [Begun(load.rows, found.length)]

    def remove(self, task_id: str) -> None:
        for load in self._loads:
            if load.rows[0].owner.task_id == task_id:
                load.loading.cancel()
        self._loads = [load for load in self._loads if load.rows[0].owner.task_id != task_id]

    def clear(self) -> None:
        for load in self._loads:
            load.loading.cancel()
        self._loads.clear()
