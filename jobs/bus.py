"""The result bus: one Redis connection for all waiting calls of this API process.

Each API process has a channel of its own. Redis publishes a job's events to the channels of the processes that watch
it (jobs/gate/watchers.lua). Pub/sub may lose messages, a job's stream does not: a watch reads from the stream what it
missed whenever the connection was lost, when it is opened on a job that already runs, and after some seconds of
silence. Each look into the stream also registers this process as a watcher.
The bus knows nothing of HTTP.
"""

import asyncio
import contextlib
import itertools
import logging
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection
from types import TracebackType

import msgspec
import redis.asyncio
from redis.exceptions import NoScriptError, RedisError

from jobs import keys
from jobs.errors import JobNotFound, MlxqError, RedisDenied
from jobs.eta import Estimator
from jobs.events import Entry, decode_event, decode_frames
from jobs.gate.scripts import script
from jobs.queue.order import order
from jobs.queue.standing import standing
from jobs.redis.clock import set_clock_async
from jobs.redis.permissions import check_async
from jobs.tasks import end

log = logging.getLogger(__name__)

#: Seconds of silence after which a watch looks into the stream, and between two looks at the queues.
SILENCE = 5.0
TICK = 1.0
#: Seconds after its last beat for which an API process counts as alive.
_LIFE = 6

_Position = tuple[int, int]


def _order(event_id: str) -> _Position:
    milliseconds, _, sequence = event_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def _parse(event_id: str, body: str | msgspec.Raw) -> Entry | None:
    """None for an event that this version of mlxq does not know."""
    try:
        return Entry(event_id, decode_event(body))
    except (msgspec.MsgspecError, RecursionError) as error:
        log.warning("an event can't be read: %s", error)
        return None


class Watch:
    """Everything a job emits after the event `after`, in order, without gap or duplicate.

    Use as an async context manager; `next` hands out the events. `position` is the job's place in its queue
    (1 = next), None when it does not wait or is not known yet; `eta` the seconds until the end of a job that waits.
    """

    def __init__(self, bus: "ResultBus", job_id: str, queue: str, after: str, accepted: bool) -> None:
        #: while it is not, that it is not there does not mean that it has vanished
        self.accepted = accepted
        self.job_id = job_id
        self.queue = queue
        self.position: int | None = None
        self.eta: float | None = None
        #: why it can't start, if it is not its turn that it waits for
        self.reason: str | None = None
        self.last_id = after
        self.heard_at = time.monotonic()
        self._bus = bus
        self._order = _order(after)
        self._events: deque[Entry] = deque()
        self._wakeup = asyncio.Event()
        #: Its stream may hold events that it lacks: live ones wait until those were read. A job that was accepted
        #: before has a past.
        self.behind = accepted
        self._being_read = False
        self._gone = False
        #: whether the job's last event was seen
        self.ended = False
        self._error: MlxqError | None = None

    def fail(self, error: MlxqError) -> None:
        """There is no more to be had of Redis."""
        self._error = error
        self._wakeup.set()

    async def next(self, timeout: float | None = None) -> Entry | None:
        """The next event, or None after `timeout` seconds without one.

        Raises JobNotFound when the job has vanished, and RedisDenied when Redis lets nobody write or read it.
        """
        while not self._events:
            if self._error is not None:
                raise self._error
            if self._gone:
                raise JobNotFound(f"Job '{self.job_id}' does not exist any more.")
            self._wakeup.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._wakeup.wait()
            except TimeoutError:
                if not self._events:
                    return None
        return self._events.popleft()

    def pending(self) -> Entry | None:
        """The next event if it is already here."""
        return self._events.popleft() if self._events else None

    def deliver(self, event: Entry) -> None:
        """An event from the bus."""
        if self.behind or self._being_read:
            self.behind = True
        else:
            self._append(event)

    async def catch_up(self) -> None:
        """Read what the stream holds after the last event that was seen."""
        await self._bus.catch_up(self.job_id, [self])

    def pause(self) -> bool:
        """Let live events wait until `resume`. False where somebody else has them wait, and reads on if need be."""
        if self._being_read:
            return False
        self._being_read = True
        return True

    def resume(self) -> None:
        """Take live events again, unless it is still behind."""
        self._being_read = False

    async def read_on(self) -> None:
        """Read the stream until nothing was published meanwhile."""
        while self.behind:
            self.behind = False
            await self._read()

    async def _read(self) -> None:
        accepted = self.accepted
        entries, alive = await self._bus.read(self.job_id, self.last_id)
        for entry_id, fields in entries:
            if (event := _parse(entry_id, fields["e"])) is not None:
                self._append(event)
        if accepted and not alive and not entries:
            self._gone = True
            self._wakeup.set()

    def _append(self, event: Entry) -> None:
        order = _order(event.id)
        if order <= self._order:
            return
        self._order, self.last_id = order, event.id
        self.heard_at = time.monotonic()
        self.position = self.eta = self.reason = None
        self.ended = event.terminal
        self._events.append(event)
        self._wakeup.set()

    async def __aenter__(self) -> "Watch":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bus.forget(self)


class ResultBus:
    """Start it with the API and stop it with the API."""

    def __init__(
        self, channel: redis.asyncio.Redis, connection: redis.asyncio.Redis, estimator: Estimator
    ) -> None:
        """`channel` is held for pub/sub, `connection` reads the streams; `estimator` knows when jobs end."""
        self._channel = channel
        self._redis = connection
        self._estimator = estimator
        #: this API process, in Redis
        self.process = secrets.token_hex(8)
        self._watches: dict[str, list[Watch]] = defaultdict(list)
        #: jobs whose events came though nobody watches them any more
        self._unwanted: set[str] = set()
        #: called when there may be something to do, by what it is
        self._on_news: dict[str, Callable[[], None]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.connected = asyncio.Event()

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._tick())]

    async def stop(self) -> None:
        if self._tasks:
            await end(*self._tasks)
            with contextlib.suppress(RedisError, OSError):
                await self._redis.delete(keys.api_process(self.process))
        await self._channel.aclose()

    def on_news(self, what: str, tell: Callable[[], None]) -> None:
        """Have this called when a script says so (`keys.NEWS`), and where that may have been missed."""
        self._on_news[what] = tell

    def watch(self, job_id: str, queue: str, after: str = "0-0", *, accepted: bool = True) -> Watch:
        """Register interest in a job, before it is `accepted` (tell the watch when it is); else `catch_up` it."""
        watch = Watch(self, job_id, queue, after, accepted)
        self._watches[job_id].append(watch)
        return watch

    def forget(self, watch: Watch) -> None:
        watches = self._watches.get(watch.job_id)
        if watches and watch in watches:
            watches.remove(watch)
            if not watches:
                del self._watches[watch.job_id]

    def watches(self, job_id: str) -> bool:
        """Whether anybody in this process watches the job."""
        return job_id in self._watches

    def __len__(self) -> int:
        return sum(map(len, self._watches.values()))

    async def read(self, job_id: str, after: str) -> tuple[list[tuple[str, dict[str, str]]], bool]:
        """The entries of a job's stream after `after`, and whether the job still exists."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.xrange(keys.events(job_id), f"({after}" if after != "0-0" else "-", "+")
            pipe.exists(keys.job(job_id))
            entries, alive = await pipe.execute()
        return entries, bool(alive)

    async def catch_up(self, job_id: str, wanted: Collection[Watch]) -> None:
        """Read what these watches of a job have missed.

        Others of the job read too where its events were not published to this process before: an event that comes
        live must not overtake one that did not.
        """
        for watch in wanted:
            watch.behind = True
        paused = [watch for watch in self._watches.get(job_id, ()) if watch.pause()]
        try:
            if await self._register(job_id):
                for watch in paused:
                    watch.behind = True
            while paused:
                await paused[0].read_on()
                paused.pop(0).resume()
        finally:
            # Of a failure: the next look at the queues reads them.
            for watch in paused:
                watch.behind, watch.heard_at = True, float("-inf")
                watch.resume()

    async def _register(self, job_id: str) -> bool:
        """Have the job's events published to this process. Whether they were not before."""
        text, sha = script("watch")
        try:
            return bool(await self._redis.evalsha(sha, 0, job_id, self.process))
        except NoScriptError:
            return bool(await self._redis.eval(text, 0, job_id, self.process))

    async def _listen(self) -> None:
        pause = 0.05
        while True:
            try:
                async with self._channel.pubsub() as channel:
                    await channel.subscribe(keys.bus(self.process), keys.NEWS)
                    async for message in channel.listen():
                        if message["type"] == "message":
                            if message["channel"] == keys.NEWS:
                                self._tell_news(message["data"])
                            else:
                                self._dispatch(message["data"])
                            continue
                        if message["channel"] == keys.NEWS:
                            self._tell_news(*self._on_news)
                            continue
                        # From here on no message is lost, and none was published to a process that did not listen.
                        self.connected.set()
                        pause = 0.05
                        await self._catch_up(
                            [watch for watches in self._watches.values() for watch in watches]
                        )
            except (RedisError, OSError) as error:
                if self.connected.is_set():
                    log.warning("the bus lost Redis (%s); it will catch up", type(error).__name__)
                self.connected.clear()
                await asyncio.sleep(pause)
                pause = min(pause * 2, 0.25)
            except Exception:  # the bus is that of all calls
                log.exception("the bus failed once; it will catch up")
                self.connected.clear()
                await asyncio.sleep(pause)

    def _tell_news(self, *what: str) -> None:
        for each in what:
            if (tell := self._on_news.get(each)) is not None:
                tell()

    def _dispatch(self, data: str) -> None:
        for job_id, event_id, body in decode_frames(data):
            watches = self._watches.get(job_id)
            if watches:
                if (event := _parse(event_id, body)) is not None:
                    for watch in watches:
                        watch.deliver(event)
            else:
                self._unwanted.add(job_id)

    async def _tick(self) -> None:
        while True:
            try:
                await self._redis.set(keys.api_process(self.process), 1, ex=_LIFE)
                await set_clock_async(self._redis)
                await self._look_around()
                await self._leave_unwanted()
            except (RedisError, OSError):
                pass
            except Exception:  # without its beat this process counts as dead
                log.exception("a look at the queues failed")
            await asyncio.sleep(TICK)

    async def _leave_unwanted(self) -> None:
        """Jobs that ran on after their last watch was closed are not published to this process any more."""
        text, sha = script("unwatch")
        unwanted, self._unwanted = self._unwanted, set()
        left = [job_id for job_id in unwanted if job_id not in self._watches]
        if not left:
            return
        await self._redis.script_load(text)
        async with self._redis.pipeline(transaction=False) as pipe:
            for job_id in left:
                pipe.evalsha(sha, 0, job_id, self.process)
            await pipe.execute()
        # Somebody may have come back for one of them meanwhile.
        await self._catch_up([watch for job_id in left for watch in self._watches.get(job_id, ())])

    async def _look_around(self) -> None:
        now = time.monotonic()
        silent = [w for ws in self._watches.values() for w in ws if now - w.heard_at >= SILENCE]
        for watch in silent:
            watch.heard_at = now
        await self._catch_up(silent)
        if silent:
            denied = await check_async(self._redis)
            for watch in silent if denied else ():
                watch.fail(RedisDenied(str(denied), retry_after=30))
        waiting = defaultdict(list)
        for watches in self._watches.values():
            for watch in watches:
                if watch.last_id == "0-0":
                    waiting[watch.queue].append(watch)
        for queue, watches in waiting.items():
            ids = await order(self._redis, queue)
            places = {job_id: place for place, job_id in enumerate(ids, start=1)}
            for watch in watches:
                watch.position = places.get(watch.job_id)
        if waiting:
            watches = list(itertools.chain.from_iterable(waiting.values()))
            ends = await self._estimator.ends([watch.job_id for watch in watches])
            reasons = await standing(self._redis, [watch.job_id for watch in watches])
            for watch, eta in zip(watches, ends, strict=True):
                watch.eta, watch.reason = eta, reasons.get(watch.job_id)

    async def _catch_up(self, watches: list[Watch]) -> None:
        by_job = defaultdict(list)
        for watch in watches:
            by_job[watch.job_id].append(watch)
        jobs = list(by_job.items())
        for start in range(0, len(jobs), 64):
            with contextlib.suppress(RedisError, OSError):
                await asyncio.gather(*(self.catch_up(*job) for job in jobs[start : start + 64]))
