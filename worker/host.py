"""WorkerHost: the process that owns MLX. It puts queues, lanes, slots and the memory policy together.

This module knows what the process consists of. Leases, commands and registration are `jobs.consumer`'s; what models
do is the engines'.
"""

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

from redis.exceptions import RedisError

from config import VERSION
from config.settings import Settings
from jobs import keys
from jobs.blobs import blob_store
from jobs.commands import DOWNLOAD, ORDER, QUESTION
from jobs.consumer.consumer import Consumer
from jobs.eta import Paces
from jobs.gate import iso_now
from jobs.housekeeping import Housekeeping
from jobs.kinds import Category, Kind
from jobs.live_settings import CHANGED, LiveSettings, LiveSource, apply_log_level
from jobs.models.orders import decode_order
from jobs.service_class import ServiceClass
from jobs.session import Session
from jobs.worker_state import WorkerState
from mlxq.catalog import Catalog, UnknownModel
from mlxq.catalog.check import Missing
from mlxq.downloads import demand
from worker.assertion import PowerAssertion
from worker.device import chip, device, machine_bytes, memory_budget, memory_use, set_limits
from worker.engines import ENGINES, Loader
from worker.inventory import InventoryThread
from worker.lane_context import LaneContext
from worker.lanes import Lanes
from worker.machine import Machine, this_machine
from worker.memory import CACHE_SHARE, GB, Limits, Memory
from worker.night_shift import NightShift
from worker.scheduler import DeviceScheduler
from worker.slots import Slot
from worker.state import publish, withdraw
from worker.tokenizers import Tokenizers

log = logging.getLogger(__name__)

#: Categories whose engines serve many jobs at once.
_BATCHED = (Category.LLM, Category.EMBEDDING)
#: Seconds that each thread may take to end.
_PATIENCE = 1.0


class WorkerHost:
    """Call `start`; then `drain` once, or `abandon` when `hung` is set: an engine hangs in native code."""

    def __init__(
        self,
        settings: Settings,
        engines: Mapping[Category, Loader] = ENGINES,
        missing: Sequence[Missing] = (),
        machine: Machine | None = None,
    ) -> None:
        """`missing`: what the settings name and a download, or a disk that is plugged in, may still bring.

        `machine`: None: this one.
        """
        self.hung = threading.Event()
        self._settings = settings
        self._missing = missing
        self._started_at = ""
        self._catalog = Catalog(settings)
        self._consumer = Consumer(
            settings, self, settings.max_attempts, settings.step_folder, lambda: self.night.rests
        )
        self.name = self._consumer.name
        self.live = LiveSource(self._consumer.redis, LiveSettings.of(settings), self._changed)
        machine = machine or this_machine()
        self.night = NightShift(
            lambda: self.live.current,
            machine,
            PowerAssertion(machine.awake_command(os.getpid())),
            works=lambda: any(lanes.queue.busy for lanes in self.lanes.values()),
            on_change=self._shift,
            give_back=self._give_back,
        )
        self.memory = Memory(self._limits, memory_budget(self._settings), lambda: memory_use().active)
        self._session = Session.of(settings)
        self._paces = Paces(self._session.host if self._session is not None else socket.gethostname())
        turns = DeviceScheduler(Category.LLM, settings.chat_share) if settings.lanes == "turns" else None
        self._context = LaneContext(settings, self.memory, self._paces, turns, lambda: self.night.slows)
        self._tokenizers = Tokenizers(settings, self._catalog)
        self._publishing = threading.Lock()
        # Another machine's files are that machine's business.
        joined = self._session is not None
        self._housekeeping = (
            None
            if joined
            else Housekeeping(
                self._consumer.redis, self._consumer.ttl.result, blob_store(settings), self._consumer.relieve
            )
        )
        self._inventory = InventoryThread(settings, self._consumer.redis, self.name, self._tell_state)
        self.lanes = {category: self._lanes(category, loader) for category, loader in engines.items()}

    @property
    def asked(self) -> str | None:
        """SHUTDOWN or RESTART after that command."""
        return self._consumer.asked

    def start(self, stop: threading.Event | None = None) -> bool:
        """Recover what a predecessor left, then take jobs. Waits for Redis.

        False when `stop` was set before Redis was there: then nothing was started.
        """
        for each in self._missing:
            log.warning("%s", each)
        if not self._consumer.connect(stop or threading.Event()):
            return False
        with contextlib.suppress(RedisError, OSError):
            self._paces.load(self._consumer.redis)
            self.live.refresh()
        self._started_at = iso_now()
        self.night.start()
        for lanes in self.lanes.values():
            lanes.start()
        self._load_kept()
        self._consumer.start()
        self._tokenizers.start()
        self._inventory.start()
        log.info("ready: %s", ", ".join(self.lanes))
        return True

    def drain(self) -> bool:
        """Take nothing more, let running jobs end for `drain_timeout`, put the rest back, free the models.

        False when a step still runs: its thread can only end with the process.
        """
        deadline = time.monotonic() + self._settings.drain_timeout
        self._consumer.stop_taking()
        for lanes in self.lanes.values():
            if not lanes.queue.wait_idle(max(0.0, deadline - time.monotonic())):
                self._consumer.release(lanes.queue)
        self._consumer.stop()
        self._tokenizers.close(_PATIENCE)
        self.night.close(_PATIENCE)
        ended = [lanes.close(_PATIENCE) for lanes in self.lanes.values()]
        self._inventory.close(_PATIENCE)
        if self._housekeeping is not None:
            self._housekeeping.close(_PATIENCE)
        self._consumer.close()
        with contextlib.suppress(RedisError, OSError):
            self._paces.save(self._consumer.redis)
            withdraw(self._consumer.redis, self.name)
        log.info("drained")
        return all(ended)

    def abandon(self) -> None:
        """The end when an engine hangs: its jobs fail, the others' go back to their queues."""
        self._consumer.stop_taking()
        for lanes in self.lanes.values():
            with contextlib.suppress(RedisError, OSError):
                lanes.fail_hung(self._settings.step_timeout)
                lanes.queue.release_all()
        self._consumer.unregister()

    # -- called by the consumer --------------------------------------------------------------------------------------

    def hangs(self) -> bool:
        if any(lanes.hangs(self._settings.step_timeout) for lanes in self.lanes.values()):
            self.hung.set()
        return self.hung.is_set()

    def on_beat(self) -> None:
        demand.look(self._consumer.redis)
        self.live.refresh()
        self._publish()
        self._paces.save(self._consumer.redis)
        if self._housekeeping is not None:
            self._housekeeping.run()
        if self._consumer.beating:
            self.memory.sweep()

    def on_command(self, verb: str, argument: str) -> None:
        if verb in (Kind.LOAD, Kind.UNLOAD):
            category, sender, model = [*argument.split(" ", 2), "", ""][:3]
            if sender != self.name and category in self.lanes:
                self.lanes[Category(category)].order(Kind(verb), model)
        if verb == CHANGED:
            self.live.refresh()
        if verb == DOWNLOAD:
            demand.ask()
        if verb == QUESTION:
            self._tokenizers.wake()
        if verb == ORDER and (order := decode_order(argument)) is not None:
            self._inventory.take(order)

    # -- parts -------------------------------------------------------------------------------------------------------

    def _lanes(self, category: Category, loader: Loader) -> Lanes:
        def slot() -> Slot:
            return Slot(
                category,
                loader,
                self._settings,
                self._catalog,
                self.memory,
                on_change=self._tell_state,
                set_device_limits=self._set_device_limits,
            )

        return Lanes(
            self._consumer,
            category,
            slot,
            self._capacity(category),
            self._context,
            preload=self._preload(category),
            kept=lambda: self.live.current.kept_models,
            tell_others=lambda kind, model: self._tell_others(category, kind, model),
        )

    def _capacity(self, category: Category) -> int:
        """Jobs of a category that run at the same time."""
        return self._settings.batch_size if category in _BATCHED else 1

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

    def _load_kept(self) -> None:
        """Load the models that are kept in memory, as far as they are here."""
        for model in self.live.current.kept_models:
            with contextlib.suppress(UnknownModel):
                ref = self._catalog.resolve(model)
                if ref.id == model and ref.path is not None and ref.category in self.lanes:
                    self.lanes[ref.category].order(Kind.LOAD, ref.id)

    def _changed(self, live: LiveSettings) -> None:
        apply_log_level(live)
        self.night.wake()

    def _shift(self) -> None:
        """The background rests, or does no more: those who block on a queue look again."""
        self._tell_state()
        with contextlib.suppress(RedisError, OSError):
            for category in self.lanes:
                self._consumer.redis.rpush(keys.bell(category), 1)

    def _give_back(self) -> None:
        """What runs of the background goes back to its queue."""
        for lanes in self.lanes.values():
            with contextlib.suppress(RedisError, OSError):
                lanes.queue.give_back(ServiceClass.BACKGROUND)

    def _limits(self) -> Limits:
        live = self.live.current
        idle = live.model_inactivity_timeout_minutes * 60 if live.auto_unload_inactive_models else 0
        return Limits(live.max_concurrent_models, idle)

    def _set_device_limits(self) -> None:
        cached = self._settings.cache_limit_gb * GB or memory_budget(self._settings) * CACHE_SHARE
        set_limits(int(self._settings.wired_limit_gb * GB), int(cached))

    # -- what is published -------------------------------------------------------------------------------------------

    def _tell_others(self, category: Category, kind: Kind, model: str) -> None:
        """A load or an unload is meant for every worker, and only one got its job."""
        with contextlib.suppress(RedisError, OSError):
            self._consumer.redis.publish(keys.COMMANDS, f"{kind} {category} {self.name} {model}")

    def _tell_state(self) -> None:
        """Publish a change of a slot at once. The next heartbeat publishes what is lost here."""
        if self._consumer.beating:
            with contextlib.suppress(RedisError, OSError):
                self._publish()

    def _publish(self) -> None:
        """Raises RedisError. One thread after the other, so that the last state is that of all slots."""
        with self._publishing:
            publish(self._consumer.redis, self._state())

    def _state(self) -> WorkerState:
        return WorkerState(
            name=self.name,
            host=self._paces.host,
            version=VERSION,
            chip=chip(),
            machine_bytes=machine_bytes(),
            budget=self.memory.budget,
            free=self.memory.free,
            pid=os.getpid(),
            started_at=self._started_at,
            seen_at=iso_now(),
            engines=tuple(category.value for category in self.lanes),
            slots={category.value: lanes.snapshot() for category, lanes in self.lanes.items()},
            periods={category.value: lanes.usual for category, lanes in self.lanes.items()},
            capacity={category.value: self._capacity(category) for category in self.lanes},
            chat_share=self._settings.chat_share if self._context.scheduler is not None else None,
            memory=memory_use(),
            device=device(),
            trouble=tuple(self._trouble()),
            inventory=self._inventory.revision,
            rest=self.night.rest,
        )

    def _trouble(self) -> Iterator[str]:
        yield from self.night.trouble
        held = {category.value: lanes.snapshot() for category, lanes in self.lanes.items()}
        for each in self._missing:
            if not any(slot.present for slot in held.get(each.category or "", ())):
                yield f"{each.variable}: {each.reason}."
        for category, lanes in self.lanes.items():
            for slot in held[category]:
                if slot.state == "error" and slot.model is not None and slot.model == lanes.preload:
                    yield f"{category.upper()}_MODEL: {slot.error}"
