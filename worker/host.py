"""WorkerHost: the lanes of one process, their heartbeat, and how they come and go.

Leases belong to this process by its name; nothing here forbids a second worker on the same Redis.
"""

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import psutil
from redis.exceptions import RedisError

from config.settings import Settings
from jobs import keys
from jobs.blobs import BlobStore
from jobs.commands import DOWNLOAD, RESTART, SHUTDOWN
from jobs.connection import connection
from jobs.consumer.registration import Registration, dead_workers
from jobs.gate import BEAT, LEASE, Gate, Ttl, iso_now
from jobs.kinds import Category, Kind
from jobs.live_settings import CHANGED, LiveSettings, LiveSource, apply_log_level
from jobs.permissions import check
from jobs.worker_state import MlxMemory, WorkerState
from mlxq.catalog import Catalog, UnknownModel
from mlxq.catalog.check import Missing
from mlxq.downloads import demand
from worker.device import device, hold
from worker.engines import ENGINES, Loader
from worker.feeder import feeder_name
from worker.lane import Lane
from worker.memory import CACHE_SHARE, CPU_SHARE, GB, Limits, Memory
from worker.scheduler import DeviceScheduler
from worker.slots import Slot
from worker.sweep import collect, sweep, sweep_orphans

log = logging.getLogger(__name__)

#: Seconds between two sweeps of what has expired.
SWEEP = 30.0
#: Seconds that a job's files are kept at least: it may have to wait before it runs, and to run again.
SHORTEST_BLOB = 6 * 3600.0
#: Seconds between two lines about the same shortage.
_REMIND = 60.0


class WorkerHost:
    """Call `start`; then `drain` once.

    `hung` is set when an engine hangs in native code; `asked` is SHUTDOWN or RESTART when somebody wants that.
    """

    def __init__(
        self,
        settings: Settings,
        engines: Mapping[Category, Loader] = ENGINES,
        missing: Sequence[Missing] = (),
    ) -> None:
        """`missing`: what the settings name and a download, or a disk that is plugged in, may still bring."""
        self._settings = settings
        self._ttl = Ttl(int(settings.result_ttl), int(settings.events_ttl))
        self._redis = connection(settings.redis_address)
        self._blobs = BlobStore(settings.blob_folder)
        self._started_at = datetime.now(UTC).isoformat()
        host = socket.gethostname()
        self.name = f"{host}.{os.getpid()}.{secrets.token_hex(3)}"
        self._stop = threading.Event()
        self._stopped_beating = threading.Event()
        self.hung = threading.Event()
        self.asked: str | None = None
        self._missing = missing
        self._evicted, self._told_of_memory = 0, float("-inf")
        self.live = LiveSource(self._redis, LiveSettings.of(settings), apply_log_level)
        catalog = Catalog(settings)
        self._catalog = catalog
        self._turnstile = (
            DeviceScheduler(Category.LLM, settings.chat_share) if settings.lanes == "turns" else None
        )
        self.lanes = {
            category: self._lane(category, Slot(category, loader, settings, catalog, self._tell_state))
            for category, loader in engines.items()
        }
        self.memory = Memory(self._limits, self._memory_budget(), lambda: _memory().active)
        self.memory.watch(list(self.lanes.values()))
        for lane in self.lanes.values():
            self._govern(lane)
        self._registrations: list[Registration] = []
        self._gates = {
            category: Gate(self._redis, category, f"{self.name}.{category}", self._ttl)
            for category in self.lanes
        }
        self._pulse = threading.Thread(target=self._beat_on, name="pulse", daemon=True)
        self._listener = threading.Thread(target=self._listen, name="commands", daemon=True)

    def _lane(self, category: Category, slot: Slot) -> Lane:
        address, worker = self._settings.redis_address, f"{self.name}.{category}"
        capacity = self._settings.batch_size if category in (Category.LLM, Category.EMBEDDING) else 1
        return Lane(
            Gate(connection(address), category, worker, self._ttl),
            Gate(connection(address, name=feeder_name(worker)), category, worker, self._ttl),
            slot,
            capacity,
            self._settings.load_timeout,
            self._turnstile,
            self._settings.switch_patience,
        )

    def _govern(self, lane: Lane) -> None:
        """Loads of this lane ask the memory policy for room."""
        lane.slot.check = self.memory.check
        lane.slot.room = lambda name, needed: self.memory.room(lane, name, needed, pinned=lane.pins(name))
        lane.slot.hold_device = self._hold_device
        lane.relieve = lambda: self.memory.relieve(lane)
        lane.tell_others = lambda kind, model: self._tell_others(lane, kind, model)

    def _tell_others(self, lane: Lane, kind: Kind, model: str) -> None:
        """A load or an unload is meant for every worker, and only one was given its job."""
        with contextlib.suppress(RedisError, OSError):
            self._redis.publish(keys.COMMANDS, f"{kind} {lane.name} {self.name} {model}")

    def _limits(self) -> Limits:
        live = self.live.current
        idle = live.model_inactivity_timeout_minutes * 60 if live.auto_unload_inactive_models else 0
        return Limits(live.max_concurrent_models, idle)

    def _memory_budget(self) -> int:
        """Bytes that all models may take: the setting, else what the device recommends or most of the memory."""
        if self._settings.memory_budget_gb:
            return int(self._settings.memory_budget_gb * GB)
        return device().memory_bytes or int(psutil.virtual_memory().total * CPU_SHARE)

    def _hold_device(self) -> None:
        cached = self._settings.cache_limit_gb * GB or self._memory_budget() * CACHE_SHARE
        hold(int(self._settings.wired_limit_gb * GB), int(cached))

    def start(self, stop: threading.Event | None = None) -> bool:
        """Recover what a predecessor left, then take jobs. Waits for Redis, saying so once.

        False when `stop` was set before Redis was there: then nothing was started.
        """
        for each in self._missing:
            log.warning("%s", each)
        preloads = {category: self._preload(category) for category in self.lanes}
        if not self._wait_for_redis(stop or self._stop):
            return False
        gone = dead_workers(self._redis, self.lanes.keys())
        self._recover(gone)
        for category, lane in self.lanes.items():
            registration = Registration(self._redis, category, f"{self.name}.{category}")
            registration.register()
            self._registrations.append(registration)
            lane.start(preloads[category])
        self._beat()
        self._listener.start()
        self._pulse.start()
        log.info("ready: %s", ", ".join(self.lanes))
        return True

    def drain(self) -> bool:
        """Take nothing more, let running jobs end for `drain_timeout`, put the rest back, free the models.

        False when an engine is still in the middle of a step: its thread can only end with the process.
        """
        deadline = time.monotonic() + self._settings.drain_timeout
        for lane in self.lanes.values():
            lane.stop_taking()
        for lane in self.lanes.values():
            if not lane.wait_idle(max(0.0, deadline - time.monotonic())):
                self._release(lane)
        self._stop.set()
        ended = [lane.close(patience=1.0) for lane in self.lanes.values()]
        self._pulse.join(2)
        with contextlib.suppress(RedisError, OSError):
            for registration in self._registrations:
                registration.unregister()
            self._redis.delete(keys.worker_state(self.name))
            self._redis.srem(keys.WORKER_STATES, self.name)
        log.info("drained")
        return all(ended)

    def abandon(self) -> None:
        """The end when an engine hangs: its jobs fail, the others' go back to their queues."""
        for lane in self.lanes.values():
            lane.stop_taking()
            with contextlib.suppress(RedisError, OSError):
                if lane.stalled(self._settings.step_timeout):
                    lane.fail_hung(self._settings.step_timeout)
                lane.release()
        with contextlib.suppress(RedisError, OSError):
            for registration in self._registrations:
                registration.unregister()

    @staticmethod
    def _release(lane: Lane) -> None:
        try:
            released = lane.release()
        except (RedisError, OSError):
            log.error("Redis is away: the jobs in hand will be recovered by the next worker")
            return
        if released:
            log.info("put %d running jobs back into the %s queue", released, lane.name)

    def _preload(self, category: Category) -> str | None:
        """The id of the model that this category's setting names."""
        if not getattr(self._settings, f"{category}_model"):
            return None
        try:
            ref = self._catalog.default(category)
            if ref.path is not None:
                return ref.id
            log.info("%s_MODEL=%s is loaded when it has been fetched", category.upper(), ref.id)
            demand.ask()
            return None
        except UnknownModel as error:
            log.error("%s_MODEL: %s", category.upper(), error)
            return None

    def _wait_for_redis(self, stop: threading.Event) -> bool:
        warned, told = False, ""
        while not stop.is_set():
            try:
                denied = check(self._redis)
                if not denied:
                    return True
                if str(denied) != told:
                    log.error("%s", denied)
                    told = str(denied)
                stop.wait(1.0)
            except (RedisError, OSError) as error:
                if not warned:
                    log.warning(
                        "waiting for Redis at %s (%s)", self._settings.redis_label, type(error).__name__
                    )
                    warned = True
                stop.wait(0.1)
        return False

    # -- the pulse -----------------------------------------------------------------------------------------------

    def _beat_on(self) -> None:
        swept = time.monotonic()
        while not self._stop.wait(BEAT):
            if any(lane.stalled(self._settings.step_timeout) for lane in self.lanes.values()):
                self.hung.set()
                return
            try:
                self._beat()
                self._recover()
                if time.monotonic() - swept >= min(SWEEP, self._ttl.result):
                    swept = time.monotonic()
                    sweep(self._redis)
                    sweep_orphans(self._redis, self._blobs)
                    self._blobs.sweep(max(self._ttl.result, SHORTEST_BLOB))
            except (RedisError, OSError) as error:
                log.warning("no heartbeat: %s", type(error).__name__)
            except Exception:  # whatever it was, the leases must be renewed
                log.exception("the heartbeat stumbled")

    def _beat(self) -> None:
        """Renew every lease, hear of cancellations and losses, and say what this process holds."""
        self._relieve()
        for (category, lane), registration in zip(self.lanes.items(), self._registrations, strict=True):
            executions = lane.executions()
            lost, cancelled = self._gates[category].beat(executions)
            for execution_id in lost:
                lane.drop(execution_id)
            for execution_id in cancelled:
                lane.cancel(execution_id)
            registration.beat(
                busy=bool(executions),
                finished=lane.finished,
                failed=lane.failed,
                worked=lane.worked,
            )
        demand.look(self._redis)
        self.live.refresh()
        self._publish_state()
        collect(self._redis, self._blobs)
        if self._pulse.is_alive():
            self.memory.sweep()

    def _relieve(self) -> None:
        """Ended jobs go before Redis is full: then not even a result could be written."""
        deleted = next(iter(self._gates.values())).relieve()
        self._evicted += deleted
        if deleted and time.monotonic() - self._told_of_memory > _REMIND:
            self._told_of_memory = time.monotonic()
            log.warning(
                "Redis' memory is short (REDIS_MAXMEMORY_MB): %d ended jobs were deleted before their time so far",
                self._evicted,
            )

    def _tell_state(self) -> None:
        """A slot has changed: whoever asks after this must hear of it. The next beat tells what this can't."""
        if self._pulse.is_alive():
            with contextlib.suppress(RedisError, OSError):
                self._publish_state()

    def _publish_state(self) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(keys.worker_state(self.name), self._state().encode(), ex=int(LEASE))
            pipe.sadd(keys.WORKER_STATES, self.name)
            for lane in self.lanes.values():
                slot = lane.slot.snapshot()
                if slot.model and slot.error:
                    pipe.hset(keys.MODEL_ERRORS, slot.model, slot.error)
                elif slot.model and slot.state == "loaded":
                    pipe.hdel(keys.MODEL_ERRORS, slot.model)
            pipe.execute()

    def _recover(self, dead: Iterable[str] = ()) -> None:
        for category, gate in self._gates.items():
            requeued, failed = gate.recover(self._settings.max_attempts, list(dead))
            if requeued or failed:
                log.warning("recovered the %s queue: %d jobs again, %d failed", category, requeued, failed)

    def _state(self) -> WorkerState:
        return WorkerState(
            name=self.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=self._started_at,
            seen_at=iso_now(),
            engines=tuple(category.value for category in self.lanes),
            slots={category.value: lane.slot.snapshot() for category, lane in self.lanes.items()},
            memory=_memory(),
            device=device(),
            trouble=tuple(self._trouble()),
        )

    def _trouble(self) -> Iterator[str]:
        """What the settings ask for and is not so: sentences for /health, without values of settings."""
        for each in self._missing:
            lane = self.lanes.get(Category(each.category)) if each.category else None
            if lane is None or lane.model is None:
                yield f"{each.variable}: {each.reason}."
        for category, lane in self.lanes.items():
            slot = lane.slot.snapshot()
            if slot.state == "error" and slot.model is not None and lane.pins(slot.model):
                yield f"{category.upper()}_MODEL: {slot.error}"

    # -- commands ------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Cancellations as they are published; the heartbeat finds those that this misses."""
        listening: Any = connection(self._settings.redis_address)
        while not self._stop.is_set():
            try:
                with listening.pubsub(ignore_subscribe_messages=True) as channel:
                    channel.subscribe(keys.COMMANDS)
                    while not self._stop.is_set():
                        message = channel.get_message(timeout=1.0)
                        if message:
                            self._obey(message["data"].decode())
            except (RedisError, OSError):
                self._stop.wait(0.2)

    def _obey(self, command: str) -> None:
        verb, _, job_id = command.partition(" ")
        if verb in (Kind.LOAD, Kind.UNLOAD):
            category, _, rest = job_id.partition(" ")
            sender, _, model = rest.partition(" ")
            if sender != self.name and category in self.lanes:
                self.lanes[Category(category)].order(Kind(verb), model)
        if verb == CHANGED:
            self.live.refresh()
        if verb in (SHUTDOWN, RESTART):
            self.asked = verb
        if verb == DOWNLOAD:
            demand.ask()
        if verb == "cancel":
            for lane in self.lanes.values():
                lane.cancel_job(job_id)


def _memory() -> MlxMemory:
    """MLX' own account of its memory, in bytes."""
    if not device().mlx:
        return MlxMemory()
    import mlx.core as mx

    return MlxMemory(mx.get_active_memory(), mx.get_peak_memory(), mx.get_cache_memory())
