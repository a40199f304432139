"""A process that consumes queues: its name, its heartbeat, the commands it gets, and how it starts and stops.

This module knows queues and leases. It does not know what jobs do: the `Host` of the process does. Leases belong to
this process by its name, so that several processes can consume the same queues.
"""

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import redis
from redis.exceptions import AuthenticationError, RedisError

from config.settings import Settings
from jobs import keys
from jobs.commands import CAME, GIVE_BACK, RESTART, SHUTDOWN
from jobs.consumer.affinity import Affinity
from jobs.consumer.joined import no_fault_of
from jobs.consumer.machine import machine_of
from jobs.consumer.queue import ConsumedQueue, Process, Worker
from jobs.consumer.registration import dead_workers
from jobs.consumer.step_record import StepRecord, last_steps, remove_left_behind
from jobs.gate import BEAT, PATIENCE, Ttl
from jobs.queue.waits import EVERY_QUEUE
from jobs.redis.clock import set_clock
from jobs.redis.connection import WrongCertificate, connection
from jobs.redis.permissions import Denied, check
from jobs.session import Session

log = logging.getLogger(__name__)

#: Seconds between two attempts to reach Redis, and to have the rights that are needed.
_RETRY, _RETRY_DENIED = 0.1, 1.0
#: What a joined worker is told that is sent away, and what tells it that this is not the server that it knows.
REFUSALS = (AuthenticationError, WrongCertificate)
REFUSED = "refused"
#: Seconds that jobs may take which are being taken when nothing more shall be.
_TAKEN = 1.0
#: Seconds that a start waits for the channel of commands, and after which a lost one is opened again.
_LISTEN = 2.0
_LISTEN_AGAIN = 0.2


class Host(Protocol):
    """The process, as its consumer calls it. The calls come from the consumer's threads."""

    def hangs(self) -> bool:
        """Whether the process must not renew its leases any more."""

    def on_beat(self) -> None:
        """Called after each heartbeat. May raise RedisError."""

    def on_command(self, verb: str, argument: str) -> None:
        """A command to all workers. Cancellations and the end of the process are the consumer's own."""


class Consumer:
    """Call `consume` for each queue, then `connect` and `start`; to end, `stop_taking`, `stop` and `close`.

    `asked` is SHUTDOWN or RESTART after that command, and REFUSED when a joined worker's session is over.
    """

    def __init__(
        self,
        settings: Settings,
        host: Host,
        max_attempts: int,
        steps: Path | None = None,
        rests: Callable[[], bool] = lambda: False,
    ) -> None:
        """`max_attempts`: how often a job is started whose worker dies.

        `steps`: the folder where processes record what their engines work on. With it, jobs that are suspected of
        the death of a process run alone. `rests`: whether no jobs of the background are taken now.
        """
        session = Session.of(settings)
        #: this process works for the server of another machine
        self._joined = session is not None
        usual = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(3)}"
        self.name = usual if session is None else session.worker
        self.machine = machine_of(settings.data_dir)
        self.ttl = Ttl.of(settings)
        self.redis: redis.Redis = connection(settings.redis_address)
        self.asked: str | None = None
        self._process = Process(
            self.name,
            self.machine,
            settings.redis_address,
            self.redis,
            self.ttl,
            settings.aging_time,
            rests,
            settings.notify_after,
        )
        self._settings = settings
        self._host = host
        self._max_attempts = max_attempts
        self._steps = steps
        self._records: list[StepRecord] = []
        self._queues: dict[str, ConsumedQueue] = {}
        self._patient_until = float("-inf")
        self._stop = threading.Event()
        self._listening = threading.Event()
        self._pulse = threading.Thread(target=self._beat_on, name="pulse", daemon=True)
        self._listener = threading.Thread(target=self._listen, name="commands", daemon=True)

    @property
    def beating(self) -> bool:
        """Whether the heartbeat runs."""
        return self._pulse.is_alive()

    def consume(
        self,
        queue: str,
        capacity: int,
        worker: Worker,
        affinity: Affinity | None = None,
        *,
        yields: bool = False,
    ) -> ConsumedQueue:
        """Consume this queue too. `capacity`: executions at the same time; `affinity`: which jobs go first.

        `yields`: background jobs stand still for interactive ones.
        """
        consumed = ConsumedQueue(self._process, queue, capacity, worker, affinity, yields=yields)
        self._queues[queue] = consumed
        return consumed

    def record(self, queue: ConsumedQueue) -> StepRecord:
        """Where an engine thread of this queue records what it works on."""
        assert self._steps is not None, "this process records no steps"
        record = StepRecord(self._steps, self.name, queue.name)
        self._records.append(record)
        return record

    def connect(self, stop: threading.Event) -> bool:
        """Wait for Redis, recover what dead processes of this machine left, and register.

        False when `stop` was set before Redis was there: then nothing was done.
        """
        if not self._wait_for_redis(stop):
            return False
        set_clock(self.redis)
        self._be_patient()
        if not self._joined:
            self._recover(dead_workers(self.redis, self._queues.keys(), self.machine))
        if self._steps is not None:
            remove_left_behind(self._steps)
        for queue in self._queues.values():
            queue.register()
        return True

    def start(self) -> None:
        """Take jobs and commands, and beat."""
        for queue in self._queues.values():
            queue.start()
        self.beat()
        self._listener.start()
        self._pulse.start()
        # A command that is published before the subscription would be lost.
        self._listening.wait(_LISTEN)

    def beat(self) -> None:
        """Renew every lease, pass on cancellations and losses."""
        set_clock(self.redis)
        for queue in self._queues.values():
            queue.beat()
            if not self._joined:
                queue.sweep()
        self._host.on_beat()

    def relieve(self) -> int:
        """Delete ended jobs while Redis' memory is short. Returns how many."""
        return next(iter(self._queues.values())).relieve()

    def stop_taking(self) -> None:
        """Take nothing more; waits a moment for jobs that are being taken."""
        for queue in self._queues.values():
            queue.stop_taking()
        deadline = time.monotonic() + _TAKEN
        for queue in self._queues.values():
            queue.wait_taken(max(0.0, deadline - time.monotonic()))

    def release(self, queue: ConsumedQueue) -> None:
        """Put the executions of a queue back, as far as Redis is there."""
        try:
            released = queue.release_all()
        except (RedisError, OSError):
            log.error("Redis is away: the running jobs will be recovered by the next worker")
            return
        if released:
            log.info("put %d running jobs back into the %s queue", released, queue.name)

    def stop(self) -> None:
        """End the heartbeat and the channel of commands."""
        self._stop.set()

    def close(self) -> None:
        """Wait for the heartbeat's end, and leave RQ's list of workers. Call `stop` and close the queues before."""
        self._pulse.join(2)
        self.unregister()
        for record in self._records:
            record.close()

    def unregister(self) -> None:
        with contextlib.suppress(RedisError, OSError):
            for queue in self._queues.values():
                queue.unregister()

    # -- the threads -----------------------------------------------------------------------------------------------

    def _wait_for_redis(self, stop: threading.Event) -> bool:
        warned, told = False, ""
        while not stop.is_set():
            try:
                denied = self._knock() if self._joined else check(self.redis)
                if not denied:
                    return True
                if str(denied) != told:
                    log.error("%s", denied)
                    told = str(denied)
                stop.wait(_RETRY_DENIED)
            except (RedisError, OSError) as error:
                if self._is_over(error):
                    return False
                if not warned:
                    log.warning(
                        "waiting for Redis at %s (%s)", self._settings.redis_label, type(error).__name__
                    )
                    warned = True
                stop.wait(_RETRY)
        return False

    def _knock(self) -> Denied:
        """For a joined worker, whose rights are the gateway's concern. Raises RedisError."""
        self.redis.ping()
        return Denied()

    def _is_over(self, error: Exception) -> bool:
        """Whether the session of a joined worker has ended, so that no other try can help."""
        if not self._joined or not isinstance(error, REFUSALS):
            return False
        log.critical("%s", error)
        self.asked = REFUSED
        return True

    def _beat_on(self) -> None:
        while not self._stop.wait(BEAT):
            if self._host.hangs():
                return
            try:
                self.beat()
                if not self._joined:
                    self._recover(())
            except (RedisError, OSError) as error:
                if self._is_over(error):
                    return
                self._be_patient()
                log.warning("no heartbeat: %s", type(error).__name__)
            except Exception:  # the leases must be renewed whatever happens
                log.exception("a heartbeat failed")

    def _be_patient(self) -> None:
        """Redis was away, or may have been: others get the time to renew their leases."""
        self._patient_until = time.monotonic() + PATIENCE

    def _recover(self, dead: Sequence[str]) -> None:
        """Not for joined workers, which know nothing of others: the gateway does it for them."""
        patient = time.monotonic() < self._patient_until
        if patient and not dead:
            return
        steps = None
        if self._steps is not None:
            steps = {**last_steps(self._steps, own=self.name), **no_fault_of(self.redis, self._queues)}
        for queue in self._queues.values():
            requeued, failed = queue.recover(self._max_attempts, dead, steps, patient=patient)
            if requeued or failed:
                log.warning("recovered the %s queue: %d jobs again, %d failed", queue.name, requeued, failed)

    def _listen(self) -> None:
        """Commands as they are published. The heartbeat finds cancellations that are lost here."""
        listening: Any = connection(self._settings.redis_address)
        commands = keys.commands(self.name) if self._joined else keys.COMMANDS
        while not self._stop.is_set():
            try:
                with listening.pubsub(ignore_subscribe_messages=True) as channel:
                    channel.subscribe(commands)
                    # Reads the confirmation: commands that are published from now on arrive.
                    channel.get_message(timeout=1.0)
                    self._listening.set()
                    while not self._stop.is_set():
                        message = channel.get_message(timeout=1.0)
                        if message:
                            self._obey(message["data"].decode(errors="replace"))
            except (RedisError, OSError):
                self._stop.wait(_LISTEN_AGAIN)
            except Exception:  # the thread must survive whatever is said
                log.exception("a command could not be obeyed")
                self._stop.wait(_LISTEN_AGAIN)

    def _obey(self, command: str) -> None:
        verb, _, argument = command.partition(" ")
        if verb in (SHUTDOWN, RESTART):
            self.asked = verb
        if verb == "cancel":
            for queue in self._queues.values():
                queue.cancel_job(argument)
        if verb in ("linger", "return"):
            for queue in self._queues.values():
                queue.told_of_client(argument, lingers=verb == "linger")
        if verb == CAME and (came := self._queues.get(argument)) is not None:
            came.look()
        if verb == GIVE_BACK:
            category, _, service_class = argument.partition(":")
            for name, queue in self._queues.items():
                if category in (EVERY_QUEUE, name):
                    queue.give_back(service_class)
        self._host.on_command(verb, argument)
