"""The memory policy: how many models may be in memory, how many bytes, and how long an unused one stays.

This module knows slots as `Occupant`s and asks them to be emptied; a lane with jobs is never asked. Models that the
settings name are pinned: they are not counted, and they stay, unless memory does not hold another model of their
category beside them. Caches of engines count as memory too, and are reduced before any model is unloaded.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from jobs.errors import InvalidRequest, OutOfMemory
from jobs.kinds import Category

log = logging.getLogger(__name__)

GB = 1024**3
#: What of the budget MLX may keep of freed buffers, to use them again.
CACHE_SHARE = 0.1

#: How MLX and Metal say that there is no more memory.
_OUT_OF_MEMORY = ("out of memory", "memory allocation", "insufficient memory", "unable to allocate", "malloc")
_KINDS = ("OutOfMemoryError", "MemoryError")


class Occupant(Protocol):
    """A slot and its lane, as this policy sees them."""

    @property
    def category(self) -> Category:
        """The category of its models."""

    @property
    def model(self) -> str | None:
        """The model in the slot, or on its way there, if any."""

    @property
    def bytes(self) -> int:
        """Bytes of the model in the slot."""

    @property
    def coming_bytes(self) -> int:
        """Bytes that a model on its way will need besides."""

    @property
    def pinned(self) -> bool:
        """Whether the model stays whatever happens."""

    def pins(self, model: str) -> bool:
        """Whether this model would stay whatever happens."""

    @property
    def idle_since(self) -> float | None:
        """Since when it has no jobs, on the monotonic clock; None while it has some."""

    @property
    def keep(self) -> float | None:
        """Seconds that the last caller wants the model to stay; negative: for ever; None: as the settings say."""

    @property
    def cache_bytes(self) -> int:
        """Bytes of the engine's cache."""

    def clear_cache(self, wanted: int | None = None) -> None:
        """Free so many bytes of that cache, by default all, also while it has jobs."""

    def give_way(self) -> None:
        """End its jobs if the clients of all of them have left."""

    def evict(self, *, wait: bool = True) -> bool:
        """Empty the slot unless it has jobs again, and wait for that. Whether the slot is empty."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`models`: on demand at the same time. `idle`: seconds after which an unused model is unloaded, 0: never."""

    models: int
    idle: float


class Memory:
    """The policy for all slots of one worker. `used` are the bytes that MLX holds now."""

    def __init__(
        self,
        limits: Callable[[], Limits],
        budget: int,
        used: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._budget = budget
        self._used = used
        self._clock = clock
        self._occupants: Sequence[Occupant] = ()
        self._watching = threading.Lock()
        #: one load at a time: two loads that make room would wait for each other
        self._loading = threading.Lock()

    def watch(self, occupants: Sequence[Occupant]) -> None:
        """These are slots too."""
        with self._watching:
            self._occupants = [*self._occupants, *occupants]

    @property
    def budget(self) -> int:
        """Bytes that all models may take together."""
        return self._budget

    @property
    def free(self) -> int:
        """Bytes that models may still take, beside those that are there or on their way."""
        present = [each for each in self._occupants if each.model is not None]
        return max(
            0, self._budget - self._used() + sum(each.cache_bytes - each.coming_bytes for each in present)
        )

    def check(self, needed: int) -> None:
        """Raises InvalidRequest for a model of `needed` bytes that cannot fit even alone."""
        if needed > self._budget:
            raise _insufficient(needed, self._budget)

    def leaving(self, category: Category, needed: int, *, pinned: bool) -> Sequence[Occupant] | None:
        """The slots to empty for one more model, of this category and of `needed` bytes; none: it fits beside them.

        None: not before jobs of others have ended. A category may always have one model on demand, whatever the limit
        of their number is. This is what is so now; `room` looks again.
        """
        present = [each for each in self._occupants if each.model is not None]
        idle = self._idle(category)
        leave: list[Occupant] = []
        if not pinned:
            on_demand = [each for each in present if not each.pinned]
            excess = len(on_demand) + 1 - self._limits().models
            leave = [each for each in idle if not each.pinned][: max(0, excess)]
            has_one = any(each.category == category for each in on_demand if each not in leave)
            if len(leave) < excess and has_one:
                return None
        free = self._budget - self._used()
        free += sum(each.cache_bytes - each.coming_bytes for each in present)
        free += sum(each.bytes for each in leave)
        for each in idle:
            if free < needed and each not in leave:
                leave.append(each)
                free += each.bytes
        busy = [each for each in present if each not in leave and each.idle_since is None]
        return None if free < needed and busy else leave

    def end_left(self) -> None:
        """A model has to wait for jobs of others: end those whose clients have left."""
        for each in self._occupants:
            each.give_way()

    @contextmanager
    def room(self, occupant: Occupant, name: str, needed: int, *, pinned: bool) -> Iterator[None]:
        """Make room for a model of `needed` bytes in this empty slot, and keep it while the model loads.

        Raises InvalidRequest when there is not enough even after unloading all others that may go, and OutOfMemory
        when there may be enough after jobs of others have ended.
        """
        with self._loading:
            if not pinned:
                self._make_countable(occupant)
            self._make_fit(occupant, name, needed)
            yield

    def relieve(self, occupant: Occupant) -> bool:
        """Memory has run out: clear the caches and unload the least recently used model that may go.

        Returns whether one was unloaded.
        """
        self._clear_caches()
        return any(other.evict() for other in self._others(occupant))

    def headroom(self, occupant: Occupant) -> "Headroom":
        """The memory for the requests of this slot."""
        return Headroom(self, occupant)

    def most(self, occupant: Occupant) -> int:
        """Bytes beside the model of this slot and those that stay, if there were no caches and no other requests."""
        stay = [
            each.bytes
            for each in self._occupants
            if each is occupant or (each.pinned and each.category != occupant.category)
        ]
        return max(0, self._budget - sum(stay))

    def make_free(self, occupant: Occupant, needed: int) -> bool:
        """Have so many bytes free for the requests of this slot: clear caches, then unload idle models.

        Whether they are free now. Called on the slot's engine thread.
        """
        self._clear_caches(self._used() + needed - self._budget)
        for other in self._others(occupant):
            if self._used() + needed <= self._budget:
                break
            log.info("%s makes room for a prompt of %s", other.model, occupant.model)
            other.evict()
        return self._used() + needed <= self._budget

    def sweep(self) -> None:
        """Unload models that were unused for long enough; reduce the caches when memory is above the budget."""
        self._clear_caches(self._used() - self._budget)
        now = self._clock()
        for occupant in self._occupants:
            since, keep = occupant.idle_since, self.stay(occupant)
            if occupant.model is not None and since is not None and keep is not None and keep <= now - since:
                log.info("%s leaves the memory: nobody has used it for %.0f s", occupant.model, now - since)
                occupant.evict(wait=False)

    def stay(self, occupant: Occupant) -> float | None:
        """Seconds without use after which its model is unloaded; None: it stays."""
        keep, usual = occupant.keep, self._limits().idle
        if keep is None:
            return None if occupant.pinned or usual <= 0 else usual
        return keep if keep >= 0 else None

    def _make_countable(self, occupant: Occupant) -> None:
        """Unload models until another one on demand is within the limit."""
        for other in self._others(occupant):
            on_demand = [
                each
                for each in self._occupants
                if each is not occupant and each.model is not None and not each.pinned
            ]
            if len(on_demand) < self._limits().models:
                return
            if not other.pinned:
                other.evict()

    def _make_fit(self, occupant: Occupant, name: str, needed: int) -> None:
        self._clear_caches(self._used() + needed - self._budget)
        candidates = iter(self._others(occupant))
        while self._used() + needed > self._budget:
            other = next(candidates, None)
            if other is None:
                if self._has_work(occupant):
                    raise OutOfMemory(f"There is not enough memory for the model '{name}' now.")
                raise _insufficient(needed, max(0, self._budget - self._used()))
            log.info("%s makes room for %s", other.model, name)
            other.evict()

    def _clear_caches(self, wanted: int | None = None) -> None:
        """Free so many bytes of caches, by default all."""
        for each in self._occupants:
            held = each.cache_bytes
            if held and (wanted is None or wanted > 0):
                log.info("%s forgets prompts that it has read: memory is needed", each.model)
                each.clear_cache(wanted)
                wanted = None if wanted is None else wanted - (held - each.cache_bytes)

    def _has_work(self, occupant: Occupant) -> bool:
        """Whether another slot is busy."""
        others = [each for each in self._occupants if each is not occupant and each.model is not None]
        return any(each.idle_since is None for each in others)

    def _others(self, occupant: Occupant) -> list[Occupant]:
        """The other slots that may be emptied for this one, in that order."""
        return [each for each in self._idle(occupant.category) if each is not occupant]

    def _idle(self, category: Category) -> list[Occupant]:
        """The slots that may be emptied for a model of this category, the least recently used first.

        A pinned model makes room only for another one of its own category, and after all others.
        """
        idle = [
            ((each.pinned, since), each)
            for each in self._occupants
            if each.model is not None
            and (since := each.idle_since) is not None
            and (not each.pinned or each.category == category)
        ]
        return [each for _, each in sorted(idle, key=lambda pair: pair[0])]


@dataclass(frozen=True, slots=True)
class Headroom:
    """See `engines.base.Headroom`."""

    memory: Memory
    occupant: Occupant

    def most(self) -> int:
        return self.memory.most(self.occupant)

    def make(self, needed: int) -> bool:
        return self.memory.make_free(self.occupant, needed)


def _insufficient(needed: int, free: int) -> InvalidRequest:
    """In MLX-GUI's words."""
    return InvalidRequest(
        f"❌ Insufficient memory - This model requires {needed / GB:.1f}GB "
        f"but you have {free / GB:.1f}GB available",
        param="model",
        code="insufficient_memory",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of MLX, Metal or Python says that memory has run out."""
    if isinstance(error, MemoryError) or type(error).__name__ in _KINDS:
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _OUT_OF_MEMORY)
