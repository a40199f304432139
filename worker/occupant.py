"""A lane's slot as other threads and the memory policy see it: its model, whether it has jobs, how it is emptied."""

import threading
import time
from collections.abc import Callable

from jobs.kinds import Category
from worker.slot_requests import SlotRequests
from worker.slots import Slot


class LaneOccupant:
    """See `memory.Occupant`. Any thread may use it; `took` and what follows it are for the engine thread."""

    def __init__(
        self,
        slot: Slot,
        requests: SlotRequests,
        pins: Callable[[str], bool],
        works: Callable[[], bool],
        give_way: Callable[[], object],
    ) -> None:
        """`pins`: whether the settings name a model, which then stays. `works`: the lane has tasks in hand.

        `give_way` ends its tasks if the clients of all of them have left.
        """
        #: seconds that the model is to stay, as the last caller wants that named any; None: none has since its load
        self.keep: float | None = None
        #: when it was last asked for its model, on the monotonic clock
        self.used_at = float("-inf")
        self._slot = slot
        self._requests = requests
        self._pins = pins
        self._works = works
        self._give_way = give_way
        self._lock = threading.Lock()
        #: tasks that the engine thread has yet to look at
        self._arriving = 0
        #: the model that will be loaded next, and its bytes
        self._coming: tuple[str, int] | None = None
        self._idle_since = time.monotonic()

    @property
    def category(self) -> Category:
        return self._slot.category

    @property
    def model(self) -> str | None:
        coming = self._coming
        return coming[0] if coming else self._slot.model

    @property
    def bytes(self) -> int:
        return self._slot.memory_bytes

    @property
    def coming_bytes(self) -> int:
        coming = self._coming
        return max(0, coming[1] - self.bytes) if coming else 0

    @property
    def cache_bytes(self) -> int:
        return self._slot.cache_bytes

    def clear_cache(self, wanted: int | None = None) -> None:
        self._slot.clear_cache(wanted)

    @property
    def pinned(self) -> bool:
        model = self.model
        return model is not None and self.pins(model)

    def pins(self, model: str) -> bool:
        """Whether this model stays once it is loaded."""
        return self._pins(model)

    @property
    def busy(self) -> bool:
        """Whether it has jobs, or a model is on its way."""
        return bool(self._arriving or self._coming or self._works())

    @property
    def idle_since(self) -> float | None:
        return None if self.busy else self._idle_since

    def give_way(self) -> None:
        self._give_way()

    def evict(self, *, wait: bool = True) -> bool:
        return not self.busy and self._requests.evict(wait=wait)

    def expect(self, model: str, needed: int) -> None:
        """The lane will load this model of `needed` bytes, if it has no jobs for another one."""
        with self._lock:
            self._expect(model, needed)

    def arrives(self, model: str, needed: int) -> None:
        """The same, for a task that `took` is told of."""
        with self._lock:
            self._expect(model, needed)
            self._arriving += 1

    def _expect(self, model: str, needed: int) -> None:
        self.used_at = time.monotonic()
        if not self.busy and self._slot.model != model:
            self._coming = model, needed

    def took(self) -> None:
        """The engine thread has a task that arrived among its own."""
        with self._lock:
            self._arriving -= 1

    def settled(self) -> None:
        """The model has been loaded, or will not be."""
        with self._lock:
            self._coming = None

    def rests(self) -> None:
        """The engine thread has nothing to do."""
        with self._lock:
            if not self._arriving and not self._requests.waiting and not self._works():
                self._coming = None

    def worked(self) -> None:
        """The engine thread works on tasks."""
        self._idle_since = time.monotonic()
