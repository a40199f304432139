"""The last events of one API process, by their numbers, for all clients that read them. It knows no Redis."""

import secrets
from collections import deque
from dataclasses import dataclass
from itertools import islice

import orjson

from api.http.callers.caller import Caller
from api.native.events.render import live_order
from jobs.overview import Order

#: Events and bytes that are kept for clients that are behind or connect again.
MOST_EVENTS, MOST_BYTES = 4096, 4 << 20


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """`owner`: whose it is, None: everybody's. The data of an order depends on who reads it."""

    name: str
    data: bytes = b""
    owner: str | None = None
    order: Order | None = None

    @property
    def size(self) -> int:
        return len(self.data) + (32 * len(self.order.jobs) if self.order else 0)

    def seen_by(self, caller: Caller) -> bytes | None:
        """Its data for this caller, None where it is not the caller's."""
        if self.order is not None:
            return orjson.dumps(live_order(self.order, caller))
        return self.data if self.owner is None or caller.sees(self.owner) else None


class EventLog:
    """Numbers rise by one. Ids have the log's own name, so that those of another process are not taken for them."""

    def __init__(self) -> None:
        self._name = secrets.token_hex(4)
        self._events: deque[LoggedEvent] = deque()
        self._bytes = 0
        #: the number of the last event
        self.last = 0

    def append(self, event: LoggedEvent) -> None:
        self._events.append(event)
        self._bytes += event.size
        self.last += 1
        while len(self._events) > MOST_EVENTS or (self._bytes > MOST_BYTES and len(self._events) > 1):
            self._bytes -= self._events.popleft().size

    def after(self, number: int) -> list[tuple[int, LoggedEvent]] | None:
        """The events after that one with their numbers; None: some of them are kept no more."""
        first = self.last - len(self._events) + 1
        if not first - 1 <= number <= self.last:
            return None
        skipped = number + 1 - first
        return list(enumerate(islice(self._events, skipped, None), start=number + 1))

    def id_of(self, number: int) -> str:
        return f"{self._name}-{number}"

    def number_of(self, event_id: str) -> int | None:
        """The number in an id of this log, whose next events are kept; None for all others."""
        name, _, number = event_id.partition("-")
        if name != self._name or not number.isdecimal() or len(number) > 15:
            return None
        return int(number) if self.after(int(number)) is not None else None
