"""The memory policy: how many models may be in memory, how many bytes, and how long an unused one stays.

This module knows slots as `Occupant`s and asks them to be emptied; a lane with jobs is never asked. Models that the
settings name are pinned: they are not counted, and they stay. Caches of engines count as memory too, and are reduced
before any model is unloaded.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from jobs.errors import InvalidRequest

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
    def model(self) -> str | None:
        """The model in the slot, if any."""

    @property
    def bytes(self) -> int:
        """Bytes of the model in the slot."""

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
        #: one load at a time: two loads that make room would wait for each other
        self._loading = threading.Lock()

    def watch(self, occupants: Sequence[Occupant]) -> None:
        self._occupants = occupants

    def check(self, needed: int) -> None:
        """Raises InvalidRequest for a model of `needed` bytes that cannot fit even alone."""
        if needed > self._budget:
            raise _insufficient(needed, self._budget)

    @contextmanager
    def room(self, occupant: Occupant, name: str, needed: int, *, pinned: bool) -> Iterator[None]:
        """Make room for a model of `needed` bytes in this empty slot, and keep it while the model loads.

        Raises InvalidRequest when there is not enough even after unloading all others that may go.
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
        return any(other.evict() for other in self._candidates(occupant))

    def headroom(self, occupant: Occupant) -> "Headroom":
        """The memory for the requests of this slot."""
        return Headroom(self, occupant)

    def most(self, occupant: Occupant) -> int:
        """Bytes beside the model of this slot and those that stay, if there were no caches and no other requests."""
        stay = [each.bytes for each in self._occupants if each is occupant or each.pinned]
        return max(0, self._budget - sum(stay))

    def make_free(self, occupant: Occupant, needed: int) -> bool:
        """Have so many bytes free for the requests of this slot: clear caches, then unload idle models.

        Whether they are free now. Called on the slot's engine thread.
        """
        self._clear_caches(self._used() + needed - self._budget)
        for other in self._candidates(occupant):
            if self._used() + needed <= self._budget:
                break
            log.info("%s makes room for a prompt of %s", other.model, occupant.model)
            other.evict()
        return self._used() + needed <= self._budget

    def sweep(self) -> None:
        """Unload models that were unused for long enough; reduce the caches when memory is above the budget."""
        self._clear_caches(self._used() - self._budget)
        now, usual = self._clock(), self._limits().idle
        for occupant in self._occupants:
            since = occupant.idle_since
            if occupant.model is None or since is None:
                continue
            keep = occupant.keep
            if keep is None:
                if occupant.pinned or usual <= 0:
                    continue
                keep = usual
            if 0 <= keep <= now - since:
                log.info("%s leaves the memory: nobody has used it for %.0f s", occupant.model, now - since)
                occupant.evict(wait=False)

    def _make_countable(self, occupant: Occupant) -> None:
        """Unload models until another one on demand is within the limit."""
        for other in self._candidates(occupant):
            on_demand = [each for each in self._occupants if each.model is not None and not each.pinned]
            if len(on_demand) < self._limits().models:
                return
            other.evict()

    def _make_fit(self, occupant: Occupant, name: str, needed: int) -> None:
        self._clear_caches(self._used() + needed - self._budget)
        candidates = iter(self._candidates(occupant))
        while self._used() + needed > self._budget:
            other = next(candidates, None)
            if other is None:
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

    def _candidates(self, occupant: Occupant) -> list[Occupant]:
        """The slots that may be emptied, the least recently used first."""
        idle = [
            (other.idle_since, other)
            for other in self._occupants
            if other is not occupant and other.model is not None and not other.pinned
        ]
        waiting = [(since, other) for since, other in idle if since is not None]
        return [other for _, other in sorted(waiting, key=lambda pair: pair[0])]


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
