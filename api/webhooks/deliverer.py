"""Makes the deliveries of webhooks, in each API process: what one has taken, no other one sends.

A delivery is taken for the time of an attempt and a little more. When its process dies, another one takes it after
that: then it may be sent twice, with the same `webhook-id`. Redis is asked when the bus tells of a new delivery, and
when the time of one has come.
"""

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING

import redis.asyncio
from redis.exceptions import RedisError

from config.settings import Settings
from jobs.tasks import Lookout, end
from jobs.webhooks.store import DeliveryStore, Due

if TYPE_CHECKING:
    from api.webhooks.sender import Sender

log = logging.getLogger(__name__)

#: Seconds between two looks while deliveries wait for a place or Redis is away, and at most.
_SOON, _RARELY = 0.5, 5.0
#: Attempts that a process makes at the same time.
_MOST = 16
#: Seconds beyond the time of an attempt for which a delivery stays with its process.
_MARGIN = 15.0
#: Seconds that a stop waits for attempts that are being made, and until Redis is tried again.
_GRACE, _AGAIN = 3.0, 0.5


class Deliverer:
    """Of one process, on its event loop. Start it and stop it with the application."""

    def __init__(self, settings: Settings, connection: redis.asyncio.Redis, *, shift: float = 0.0) -> None:
        """`shift`: seconds by which its clock is ahead of Redis'."""
        self._settings = settings
        self._store = DeliveryStore(connection, shift=shift)
        self._token = f"deliverer-{secrets.token_hex(8)}"
        self._lease = settings.webhook_timeout + _MARGIN
        self._sender: Sender | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._lookout = Lookout(self._look, "deliveries", soon=_SOON)

    def tell(self) -> None:
        """There may be something to deliver."""
        self._lookout.tell()

    def start(self) -> None:
        self._lookout.start()

    async def stop(self) -> None:
        """What is not sent by then, another process sends after its lease."""
        await self._lookout.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_GRACE)
        await end(*self._tasks)

    async def deliver(self) -> int:
        """Send all that is due, and wait for what comes of it. Returns how many attempts that were."""
        made = 0
        while True:
            await self._look()
            if not self._tasks:
                return made
            made += len(self._tasks)
            await asyncio.wait(set(self._tasks))

    async def _look(self) -> float:
        """Begin the attempts whose time has come, as far as there are places. Seconds until the next look."""
        found, left = await self._store.take(self._token, self._lease, _MOST - len(self._tasks))
        for due in found:
            task = asyncio.create_task(self._attempt(due))
            self._tasks.add(task)
            task.add_done_callback(self._over)
        return _RARELY if left is None else min(max(left, _SOON), _RARELY)

    def _over(self, task: "asyncio.Task[None]") -> None:
        """There is a place again."""
        self._tasks.discard(task)
        self.tell()

    async def _attempt(self, due: Due) -> None:
        if self._sender is None:
            # The HTTP client is loaded for the first delivery: most servers make none.
            from api.webhooks.sender import Sender

            self._sender = Sender(self._settings)
        outcome = await self._sender.send(due.id, due.url, due.body)
        while True:
            try:
                status = await self._store.settle(
                    due,
                    outcome.attempt,
                    arrived=outcome.arrived,
                    final=outcome.final,
                    pause=outcome.pause,
                )
            except (RedisError, OSError):
                # Only this process knows what came of it.
                await asyncio.sleep(_AGAIN)
            else:
                break
        told = outcome.attempt
        level = logging.INFO if outcome.arrived else logging.WARNING
        log.log(
            level, "delivery %s is %s: attempt %d, %s", due.id, status, due.tries, told.status or told.error
        )
