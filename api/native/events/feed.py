"""What all jobs, queues and workers do, read once for all clients of an API process, while there is one.

States are compared, every 0.4 seconds: what happens between two looks costs nothing, and a client that was away
for a while misses nothing but what was over before it came back.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import chain

import orjson
from redis.exceptions import RedisError

from api.dispatch.job_object import live_job
from api.dispatch.renderers import Renderers
from api.http.answers.sse import comment
from api.http.answers.stream import Write
from api.http.callers.caller import Caller
from api.native.events.log import EventLog, LoggedEvent
from api.native.events.render import live_order, live_progress, live_workers, revision
from api.native.queue.schema import queue_stats
from jobs.client import JobClient
from jobs.errors import MlxqError
from jobs.eta import LOOK, can_be_foreseen
from jobs.info import JobInfo
from jobs.overview import Changes, Order, Overview
from jobs.tasks import end

log = logging.getLogger(__name__)

#: Seconds between two looks: a job is seen within half a second.
TICK = 0.4
#: Looks between two orders of a queue, two states of workers, two looks at the ends of jobs, and at the figures of
#: queues. Each of the last two costs as much as a few looks.
ORDERS, WORKERS, ENDS, QUEUES = 2, 4, 6, 12
#: Seconds for which a job has run before its end is looked at: most chats are over by then.
BRIEF = 1.0
#: Seconds without a look that clients need not be told of: a Redis that is started again is back by then.
PATIENCE = 3.0
#: Seconds without an event after which a comment is sent.
HEARTBEAT = 4.0
#: Seconds that events are kept after the last client has left.
KEPT = 60.0
#: Jobs whose objects are made before others have their turn on the event loop.
_PIECE = 50


class Feed:
    """Of one job client. It reads while somebody follows."""

    def __init__(self, jobs: JobClient, renderers: Renderers) -> None:
        self.jobs, self._renderers = jobs, renderers
        #: clients that follow
        self.listeners = 0
        self._task: asyncio.Task[None] | None = None
        self._forgetting: asyncio.TimerHandle | None = None
        self._looking = asyncio.Lock()
        self._stopped = False
        #: the last look on the loop's clock, and whether it is too long ago
        self._looked_at, self._away = 0.0, False
        self._forget()

    def _forget(self) -> None:
        self._overview = Overview(self.jobs)
        self._log = EventLog()
        #: set when something is new; another one takes its place then
        self._news = asyncio.Event()
        #: of each job that waits or runs, its object in JSON
        self._objects: dict[str, tuple[JobInfo, bytes]] = {}
        self._orders: dict[str, Order] = {}
        #: the last data of the events that are everybody's
        self._said: dict[str, bytes] = {}
        self._ends: dict[str, float | None] = {}
        self._looks = 0

    @property
    def reads(self) -> bool:
        """Whether Redis is read again and again."""
        return self._task is not None

    async def follow(self, caller: Caller, after: str, write: Write) -> None:
        """Write what is there and then what changes, for as long as the client reads. Raises ServiceUnavailable."""
        async with self._followed():
            number = self._log.number_of(after)
            if number is None:
                number = self._log.last
                await write(self._frame(number, "snapshot", await self._snapshot(caller)))
            else:
                await write(self._frame(number, "resumed", b"{}"))
            clock = asyncio.get_running_loop().time
            due = clock() + HEARTBEAT
            while not self._stopped and not self._away:
                news, events = self._news, self._log.after(number)
                if events is None:
                    await write(self._frame(number, "end", b'{"reason":"slow"}'))
                    return
                number += len(events)
                frames = [
                    self._frame(each, event.name, data)
                    for each, event in events
                    if (data := event.seen_by(caller)) is not None
                ]
                if not frames and clock() >= due:
                    frames = [comment("alive")]
                if frames:
                    await write(b"".join(frames))
                    due = clock() + HEARTBEAT
                    continue
                try:
                    async with asyncio.timeout(max(0.0, due - clock())):
                        await news.wait()
                except TimeoutError:
                    pass
            reason = b"stopping" if self._stopped else b"unavailable"
            await write(self._frame(number, "end", b'{"reason":"%s"}' % reason))

    def stop(self) -> None:
        """End all streams: the server stops."""
        self._stopped = True
        self._wake()

    @asynccontextmanager
    async def _followed(self) -> AsyncIterator[None]:
        self.listeners += 1
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._forgetting = None
        try:
            async with self._looking:
                if self._task is None or self._away:
                    await self._look()
                if self._task is None:
                    self._task = asyncio.create_task(self._keep_looking())
            yield
        finally:
            self.listeners -= 1
            if not self.listeners:
                await self._rest()

    async def _rest(self) -> None:
        """Nobody follows: read nothing. What is known is kept for a while, for a client that comes back."""
        async with self._looking:
            # Not in the middle of a look: what it has seen would be lost.
            if self.listeners:
                return
            task, self._task = self._task, None
            self._forgetting = asyncio.get_running_loop().call_later(KEPT, self._forget)
            if task is not None:
                await end(task)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            async with self._looking:
                try:
                    await self._look()
                except (MlxqError, RedisError, OSError) as error:
                    log.debug("Redis can't be read: %s", error)
                    if asyncio.get_running_loop().time() - self._looked_at > PATIENCE:
                        self._away = True
                        self._wake()
                except Exception:  # the feed is that of all clients
                    log.exception("a look at what runs failed")

    async def _look(self) -> None:
        """Raises ServiceUnavailable: then nothing has changed."""
        if self._looks % ENDS == 0:
            self._ends = await self._foresee()
        stats = await self.jobs.stats() if self._looks % QUEUES == 0 else None
        paused = self._overview.paused
        changes = await self._overview.look(self._ends, workers=self._looks % WORKERS == 0)
        workers = self._overview.workers
        last = self._log.last
        if self._looks:
            await self._tell(changes)
        if self._looks % ORDERS == 0:
            self._tell_orders()
        if self._looks % WORKERS == 0:
            self._say("workers", {"workers": live_workers(workers)})
            self._say("models", {"revision": revision(workers)})
        if stats is not None:
            self._say("queues", queue_stats(stats, self._overview.paused, workers))
        # After a pause the figures are looked at at once.
        self._looks = 1 + (self._looks if self._overview.paused == paused else QUEUES - 1)
        self._looked_at, self._away = asyncio.get_running_loop().time(), False
        if self._log.last != last:
            self._wake()

    async def _tell(self, changes: Changes) -> None:
        for number, info in enumerate(changes.jobs, start=1):
            self._log.append(LoggedEvent("job", self._object(info), info.owner))
            if info.status.terminal:
                self._objects.pop(info.id, None)
            if number % _PIECE == 0:
                await asyncio.sleep(0)
        for info in changes.gone:
            self._objects.pop(info.id, None)
            self._log.append(LoggedEvent("gone", orjson.dumps({"id": info.id}), info.owner))
        for now in changes.progress:
            self._log.append(LoggedEvent("progress", orjson.dumps(live_progress(now)), now.owner))

    def _tell_orders(self) -> None:
        """Those whose jobs have changed, or of which something else was foreseen."""
        foreseen = self._looks % ENDS == 0
        for queue, order in self._overview.orders.items():
            before = self._orders.get(queue)
            if before is not None and before.jobs == order.jobs and not foreseen:
                continue
            now = self._with_etas(order)
            if before is None or before.jobs != now.jobs or _differ(before, now):
                self._orders[queue] = now
                self._log.append(LoggedEvent("order", order=now))

    def _with_etas(self, order: Order) -> Order:
        return replace(order, etas=tuple(self._ends.get(job_id) for job_id in order.jobs))

    async def _foresee(self) -> dict[str, float | None]:
        """Seconds until the jobs have ended that run for a while, or are among the next ones."""
        jobs, orders = self._overview.jobs, self._overview.orders.values()
        wanted = chain(self._overview.running, *(order.jobs[:LOOK] for order in orders))
        infos = (info for job_id in wanted if (info := jobs.get(job_id)) is not None)
        if ids := [info.id for info in infos if not self._is_brief(info) and can_be_foreseen(info)]:
            with contextlib.suppress(RedisError, OSError):
                return dict(zip(ids, await self.jobs.estimator.ends(ids), strict=True))
        return {}

    def _is_brief(self, info: JobInfo) -> bool:
        return info.ran_at is not None and self._overview.time - info.ran_at < BRIEF

    def _say(self, name: str, value: object) -> None:
        data = orjson.dumps(value)
        if self._said.get(name) != data:
            self._said[name] = data
            self._log.append(LoggedEvent(name, data))

    def _object(self, info: JobInfo) -> bytes:
        made = self._objects.get(info.id)
        if made is not None and made[0] is info:
            return made[1]
        data = orjson.dumps(live_job(self._renderers, info))
        if self._overview.jobs.get(info.id) is info:
            self._objects[info.id] = info, data
        return data

    async def _snapshot(self, caller: Caller) -> bytes:
        """What is known when it begins, or a little later: all events after that follow it."""
        overview, jobs = self._overview, []
        visible = [info for info in overview.jobs.values() if caller.sees(info.owner)]
        for number, info in enumerate(visible, start=1):
            jobs.append(orjson.Fragment(self._object(info)))
            if number % _PIECE == 0:
                await asyncio.sleep(0)
        running = [each for each in overview.running.values() if caller.sees(each.owner)]
        return orjson.dumps(
            {
                "time": round(overview.time, 3),
                "jobs": jobs,
                "more": overview.cut,
                "progress": [live_progress(each) for each in running],
                "order": [live_order(self._with_etas(order), caller) for order in overview.orders.values()],
                "queues": orjson.Fragment(self._said["queues"]),
                "workers": live_workers(overview.workers),
                "models": orjson.Fragment(self._said["models"]),
            }
        )

    def _frame(self, number: int, name: str, data: bytes) -> bytes:
        return b"id: %s\nevent: %s\ndata: %s\n\n" % (self._log.id_of(number).encode(), name.encode(), data)

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def _differ(before: Order, now: Order) -> bool:
    """Whether the times of two orders of the same jobs are no longer about the same."""
    return any(
        one != other and (one is None or other is None or abs(one - other) > max(1.0, 0.1 * one))
        for one, other in zip(before.etas, now.etas, strict=True)
    )
