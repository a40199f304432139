"""What other threads ask of a lane's slot: to be emptied for others, and to load or unload a model.

The engine thread serves the requests between two steps. This module does not know models' engines or memory.
"""

import queue
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from jobs.kinds import Kind

#: Longest wait for an empty slot, in seconds.
EVICTION_TIMEOUT = 10


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Order:
    """Load or unload a model ('': any). `done` is called on the engine thread when it has been carried out."""

    kind: Kind
    model: str
    done: Callable[[], None] = _nothing


class SlotRequests:
    """`evict`, `order` and `waiting` are for any thread, the rest is for the engine thread.

    `wake` makes that one look.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._evictions: queue.SimpleQueue[Future[bool]] = queue.SimpleQueue()
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._ordered: deque[Order] = deque()

    def evict(self, *, wait: bool) -> bool:
        """Have the slot emptied, unless its lane has work; whether it is empty now."""
        asked: Future[bool] = Future()
        self._evictions.put(asked)
        self._wake()
        if not wait:
            return False
        try:
            return asked.result(EVICTION_TIMEOUT)
        except TimeoutError:
            # A busy lane must not lose its model later.
            asked.cancel()
            return False

    def order(self, order: Order) -> None:
        """Carry it out when nothing runs any more."""
        self._orders.put(order)
        self._wake()

    @property
    def waiting(self) -> bool:
        """Whether an order is not begun."""
        return bool(self._ordered) or not self._orders.empty()

    def serve_evictions(self, empty: Callable[[], bool]) -> None:
        """Call `empty` for each; it returns whether the slot is empty."""
        while not self._evictions.empty():
            asked = self._evictions.get()
            if asked.set_running_or_notify_cancel():
                asked.set_result(empty())

    def orders(self, may_run: Callable[[], bool]) -> Iterator[Order]:
        """The orders that can be carried out now, in their order."""
        while not self._orders.empty():
            self._ordered.append(self._orders.get())
        while self._ordered and may_run():
            yield self._ordered[0]
            self._ordered.popleft()

    @property
    def has_orders(self) -> bool:
        """Whether an order still waits."""
        return bool(self._ordered)
