"""A lane's slot as the memory policy sees it: its model, how long it may stay, and how it is emptied."""

from jobs.consumer.queue import ConsumedQueue
from worker.slot_requests import SlotRequests
from worker.slots import Slot


class LaneOccupant:
    """See `memory.Occupant`. Any thread may use it."""

    def __init__(self, slot: Slot, queue: ConsumedQueue, requests: SlotRequests, pinned: str | None) -> None:
        """`pinned`: the id of the model that the settings name, which stays."""
        #: seconds that the last caller wants the model to stay
        self.keep: float | None = None
        self._slot = slot
        self._queue = queue
        self._requests = requests
        self._pinned = pinned

    @property
    def model(self) -> str | None:
        return self._slot.model

    @property
    def bytes(self) -> int:
        return self._slot.memory_bytes

    @property
    def cache_bytes(self) -> int:
        return self._slot.cache_bytes

    def clear_cache(self, wanted: int | None = None) -> None:
        self._slot.clear_cache(wanted)

    @property
    def pinned(self) -> bool:
        return self._slot.model is not None and self.pins(self._slot.model)

    def pins(self, model: str) -> bool:
        """Whether this model stays once it is loaded."""
        return model == self._pinned

    @property
    def idle_since(self) -> float | None:
        return self._queue.idle_since

    def evict(self, *, wait: bool = True) -> bool:
        return self._requests.evict(wait=wait)
