"""The open connections: their number, and how long each may wait for its client.

It knows addresses and times; it does not know HTTP. A connection is closed for its client's slowness only while the
server waits for that client, never while a request is worked on.
"""

import asyncio
import resource
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address, ip_address
from typing import Protocol

from config.settings import Settings

#: Connections above the bound that may still request /health.
RESERVE = 32
#: The same for each address.
_MORE_OF_ONE = 4
#: Files that the process needs beside its connections: Redis, blobs, logs. At most this many are kept back.
_OTHER_FILES = 512
#: Slowest body in bytes per second; a slower one counts as no data.
SLOWEST_BODY = 500
#: An IPv6 network that belongs to one household or machine.
_NETWORK_BITS = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and connections."""

    head: float
    body: float
    send: float
    idle: float
    most: int
    per_address: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """`most` is reduced to the limit of open files."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = settings.max_connections
        if files != resource.RLIM_INFINITY:
            most = max(1, min(most, max(files // 2, files - _OTHER_FILES) - RESERVE))
        return cls(
            head=settings.head_timeout,
            body=settings.body_timeout,
            send=settings.send_timeout,
            idle=settings.keep_alive_timeout,
            most=most,
            per_address=settings.max_connections_per_address,
        )

    @property
    def tick(self) -> float:
        """Seconds between two looks at all connections."""
        return min(1.0, max(0.02, min(self.head, self.body, self.send, self.idle) / 4))


class Admission(Enum):
    #: any request
    OPEN = "open"
    #: only /health
    NARROW = "narrow"
    #: closed without an answer
    SHUT = "shut"


class Connection(Protocol):
    """What the registry needs of a protocol."""

    def waits_since(self) -> float | None:
        """Since when the server waits for the client; None while the client waits for the server."""

    def check(self, now: float) -> None:
        """Close if the client has taken too long."""

    def drop(self) -> None:
        """Close now."""


class Connections:
    """Those of one server. `unbounded` says whether an address may have as many as it likes."""

    def __init__(self, limits: Limits, unbounded: Callable[[str], bool]) -> None:
        self.limits = limits
        self._unbounded = unbounded
        #: with the part of its address that is counted, None where none is
        self._open: dict[Connection, str | None] = {}
        self._counts: Counter[str] = Counter()
        self._sweep: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection, address: str | None) -> Admission:
        """If there are too many, the one that has waited longest for its client is closed."""
        if self._sweep is None:
            self._look_later()
        group = None if address is None or self._unbounded(address) else _group(address)
        admission = Admission.OPEN
        crowded = group is not None and self._counts[group] >= self.limits.per_address
        if (crowded or len(self._open) >= self.limits.most) and not self._make_room(
            group if crowded else None
        ):
            full = len(self._open) >= self.limits.most + RESERVE
            if group is not None:
                full = full or self._counts[group] >= self.limits.per_address + _MORE_OF_ONE
            admission = Admission.SHUT if full else Admission.NARROW
        self._open[connection] = group
        if group is not None:
            self._counts[group] += 1
        return admission

    def remove(self, connection: Connection) -> None:
        """The connection has ended, or another protocol has replaced it. A second call has no effect."""
        group = self._open.pop(connection, None)
        if group is not None:
            self._counts[group] -= 1
            if not self._counts[group]:
                del self._counts[group]

    def _make_room(self, group: str | None) -> bool:
        oldest, since = None, float("inf")
        for connection, its in self._open.items():
            if group is not None and its != group:
                continue
            waits = connection.waits_since()
            if waits is not None and waits < since:
                oldest, since = connection, waits
        if oldest is None:
            return False
        self.remove(oldest)
        oldest.drop()
        return True

    def _look_later(self) -> None:
        self._sweep = asyncio.get_running_loop().call_later(self.limits.tick, self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in tuple(self._open):
            connection.check(now)
        if self._open:
            self._look_later()
        else:
            self._sweep = None


def _group(address: str) -> str:
    """The part of an address that stands for one machine: of a routed IPv6 address its network."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and not found.is_link_local:
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(int(found) >> (128 - _NETWORK_BITS))
    return str(found)
