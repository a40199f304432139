"""The jobs that one process has taken from one queue: taken, leased, reported and put back.

This module knows executions. What a job does is its `Worker`'s concern; threads, signals and other queues are the
`Consumer`'s.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import redis
from redis.exceptions import RedisError

from jobs.consumer.affinity import Affinity
from jobs.consumer.busy_periods import BusyPeriods
from jobs.consumer.execution import Execution
from jobs.consumer.feeder import TAKE_TIMEOUT, Feeder, feeder_name
from jobs.consumer.lingering import Lingering
from jobs.consumer.notifier import Notifier
from jobs.consumer.outbox import Message, Outbox
from jobs.consumer.registration import Registration
from jobs.events import ProgressState
from jobs.gate import Ending, Gate, LastStep, Seat, Ttl
from jobs.redis.connection import connection
from jobs.service_class import ServiceClass


class Worker(Protocol):
    """Runs the jobs of one queue. Any thread may call these; none may block."""

    def accept(self, execution: Execution) -> None:
        """Run this job, and `put` its `Ending` into the queue's outbox when it ends."""

    def cancel(self, execution_id: str) -> None:
        """End an execution as cancelled. Unknown ids are ignored."""

    def drop(self, execution_id: str) -> None:
        """Stop an execution that belongs to another process now. Unknown ids are ignored."""

    def linger(self, execution_id: str, lingers: bool) -> None:
        """Its client has left, or is back: nobody waits for it meanwhile. Unknown ids are ignored."""

    def ended(self, execution: Execution, ending: Ending) -> None:
        """The end of this execution has been written."""


@dataclass(frozen=True, slots=True)
class Process:
    """What all queues of a process have in common."""

    name: str
    #: where it runs
    machine: str
    #: of Redis; and the process' connection
    address: str
    redis: redis.Redis
    ttl: Ttl
    #: seconds after which what waits takes turns with what is more urgent
    aging: float
    #: whether no background jobs are taken now
    rests: Callable[[], bool]
    #: seconds that a job must have run for a notification at its end; 0: none is shown
    notify_after: float


class ConsumedQueue:
    """Call `start`, then `stop_taking`, `wait_idle` and `close`; `release` puts back what did not end in time."""

    def __init__(
        self,
        process: Process,
        queue: str,
        capacity: int,
        worker: Worker,
        affinity: Affinity | None = None,
        *,
        yields: bool = False,
    ) -> None:
        """`capacity`: executions at the same time.

        `yields`: beyond the capacity interactive jobs are taken, for which background jobs stand still.
        """
        self.name = queue
        name = f"{process.name}.{queue}"
        self._worker = worker
        self._machine = process.machine
        self._notifier = Notifier(process.notify_after) if process.notify_after else None
        # Writing and taking may block: each has a connection of its own, and the heartbeat waits for neither.
        address, ttl = process.address, process.ttl
        self._gate = Gate(connection(address), queue, name, ttl)
        self._lease_gate = Gate(process.redis, queue, name, ttl)
        seat = None if affinity is None else Seat(process.name, capacity)
        taking = connection(address, name=feeder_name(name))
        feeder_gate = Gate(taking, queue, name, ttl, process.aging, process.rests, seat)
        self._registration = Registration(process.redis, queue, name, process.machine)
        self._outbox = Outbox(self._gate, on_lost=worker.drop, on_ended=self._ended)
        self._feeder = Feeder(
            feeder_gate,
            capacity,
            self._accept,
            self._has_suspect,
            affinity,
            self._give_way_to_all,
            self._background if yields else lambda: 0,
        )
        self._capacity = capacity
        self._lingering = Lingering()
        self._lock = threading.Lock()
        self._executions: dict[str, Execution] = {}
        self._changed = threading.Condition()
        self.periods = BusyPeriods(lambda: bool(self._executions))
        self.finished = self.failed = 0

    # -- what runs -------------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        return bool(self._executions)

    @property
    def idle_since(self) -> float | None:
        """Since when it has no executions, on the monotonic clock; None while it has some."""
        return None if self._executions else self.periods.idle_since

    def executions(self) -> list[tuple[str, str]]:
        """(job, execution) of all executions, the oldest first."""
        return [(each.claim.job_id, each.id) for each in list(self._executions.values())]

    def has(self, execution_id: str) -> bool:
        return execution_id in self._executions

    def put(self, batch: list[Message | Ending]) -> None:
        """Have events and ends of executions written."""
        for item in batch:
            if isinstance(item, Ending):
                if item.error is not None:
                    self.failed += 1
                else:
                    self.finished += 1
        self._outbox.put(batch)

    def progress(self, execution_id: str, state: ProgressState) -> None:
        """Report how far a job is, also to the jobs that wait for it."""
        execution = self._executions.get(execution_id)
        if execution is not None:
            self._gate.progress(execution.claim.job_id, execution_id, state)

    def release(self, execution_id: str, suspicion: str = "") -> bool:
        """Put a job back at the front of its queue. False: it belongs to another process now. See `Gate.release`."""
        execution = self._executions.get(execution_id)
        if execution is None or not self._gate.release(execution.claim.job_id, execution_id, suspicion):
            return False
        self.forget(execution_id)
        return True

    def release_all(self) -> int:
        """Put all jobs back, the oldest in front. Returns how many."""
        released = 0
        for _, execution_id in reversed(self.executions()):
            released += self.release(execution_id)
            self.forget(execution_id)
        return released

    def give_back(self, service_class: str) -> None:
        """Stop the executions of a class ('': all), and put their jobs back: their queue is paused."""
        for execution in reversed(list(self._executions.values())):
            claim = execution.claim
            if service_class in ("", claim.service_class) and self._lease_gate.release(
                claim.job_id, execution.id
            ):
                self._worker.drop(execution.id)

    def end_now(self, endings: Sequence[Ending]) -> None:
        """Write these ends at once, for a process that is about to exit."""
        if endings:
            self._gate.write([], endings)
        for ending in endings:
            self.failed += 1
            self._ended(ending, lost=False)

    def forget(self, execution_id: str) -> None:
        """Drop an execution: its lease is not renewed any more."""
        execution = self._executions.pop(execution_id, None)
        if execution is None:
            return
        with self._lock:
            if not self._lingering.forget(execution_id):
                self._feeder.lend()
        self.periods.changed()
        self._feeder.left(execution)
        with self._changed:
            self._changed.notify_all()

    def hold(self, held: bool) -> None:
        """Pause taking jobs, or go on."""
        self._feeder.hold(held)

    def give_way(self, running: Collection[str]) -> bool:
        """Another job needs what these executions have. Whether they all end: their clients have left."""
        with self._lock:
            if any(execution_id not in self._lingering for execution_id in running):
                return False
            ending = self._lingering.to_end(running)
        return all([self._end(execution_id) for execution_id in ending])

    # -- for the consumer ------------------------------------------------------------------------------------------

    def register(self) -> None:
        self._registration.register()

    def unregister(self) -> None:
        self._registration.unregister()

    def start(self) -> None:
        self._outbox.start()
        self._feeder.start()

    def beat(self) -> None:
        """Renew the leases; pass on what was lost or cancelled."""
        executions, began = self.executions(), time.monotonic()
        lost, cancelled, lingering = self._lease_gate.beat(executions)
        for execution_id in lost:
            self._worker.drop(execution_id)
        for execution_id in cancelled:
            self._worker.cancel(execution_id)
        for _, execution_id in executions:
            # A command that came meanwhile knows better.
            if not self._lingering.told_since(execution_id, began):
                self._note_client(execution_id, lingers=execution_id in lingering)
        self._registration.beat(
            busy=bool(executions),
            finished=self.finished,
            failed=self.failed,
            worked=self.periods.worked,
        )

    def sweep(self) -> None:
        """Cancel jobs whose clients have not come back in time."""
        self._lease_gate.sweep()

    def recover(
        self,
        max_attempts: int,
        dead: Sequence[str],
        steps: Mapping[str, LastStep] | None = None,
        *,
        patient: bool = False,
    ) -> tuple[int, int]:
        """Bring back what dead workers left. Returns how many jobs were (requeued, failed). See `Gate.recover`."""
        return self._lease_gate.recover(max_attempts, dead, steps, self._machine, patient=patient)

    def relieve(self) -> int:
        """Delete ended jobs of any queue while Redis' memory is short. Returns how many."""
        return self._lease_gate.relieve()

    def cancel_job(self, job_id: str) -> None:
        for job, execution_id in self.executions():
            if job == job_id:
                self._worker.cancel(execution_id)

    def look(self) -> None:
        """A job has come that may be taken before those that wait."""
        self._feeder.look()

    def told_of_client(self, job_id: str, *, lingers: bool) -> None:
        """The last client of a job has left, or one is back."""
        for job, execution_id in self.executions():
            if job == job_id:
                self._note_client(execution_id, lingers=lingers)

    def stop_taking(self) -> None:
        """Take nothing more. `wait_taken` waits until that is so."""
        self._feeder.stop()
        with contextlib.suppress(RedisError, OSError):
            self._gate.stop_waiting(feeder_name(self._gate.worker))

    def wait_taken(self, timeout: float) -> None:
        """Wait until jobs that were being taken are accepted."""
        self._feeder.join(timeout)

    def wait_idle(self, timeout: float) -> bool:
        """Wait until every execution has ended."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._executions, timeout)

    def close(self, patience: float) -> None:
        """End the threads. `patience`: seconds that each may take."""
        self._outbox.stop(patience)
        self._feeder.join(TAKE_TIMEOUT + patience)
        if self._notifier is not None:
            self._notifier.close()

    # -- the threads -----------------------------------------------------------------------------------------------

    def _background(self) -> int:
        """How many executions give way to interactive jobs."""
        running = list(self._executions.values())
        return sum(each.claim.service_class is ServiceClass.BACKGROUND for each in running)

    def _has_suspect(self) -> bool:
        return any(each.claim.suspect for each in list(self._executions.values()))

    def _accept(self, execution: Execution) -> None:
        self._executions[execution.id] = execution
        self.periods.changed()
        self._worker.accept(execution)
        if execution.claim.lingers:
            self._note_client(execution.id, lingers=True)
        with self._lock:
            over = len(self._executions) - self._capacity - self._feeder.beyond
            ending = self._lingering.to_end(self._executions)[: max(0, over)]
        for execution_id in ending:
            self._end(execution_id)

    def _note_client(self, execution_id: str, *, lingers: bool) -> None:
        with self._lock:
            if execution_id not in self._executions or not self._lingering.told(
                execution_id, lingers=lingers
            ):
                return
            # Others may have its place: they need not wait for what nobody waits for.
            if lingers:
                self._feeder.lend()
            else:
                self._feeder.take_back()
            self._worker.linger(execution_id, lingers)

    def _give_way_to_all(self) -> None:
        """End the executions of one model whose clients have all left."""
        running: dict[str, list[str]] = {}
        for each in list(self._executions.values()):
            running.setdefault(each.claim.model, []).append(each.id)
        any(self.give_way(executions) for executions in running.values())

    def _end(self, execution_id: str) -> bool:
        """End an execution whose client has left. False: it is back."""
        execution = self._executions.get(execution_id)
        if execution is None:
            return True
        try:
            if not self._lease_gate.yield_place(execution.claim.job_id, execution_id):
                return False
        except (RedisError, OSError):
            return False
        with self._lock:
            self._lingering.ends(execution_id)
        self._worker.cancel(execution_id)
        return True

    def _ended(self, ending: Ending, lost: bool) -> None:
        execution = self._executions.get(ending.execution_id)
        if execution is not None and not lost:
            execution.note_end(ending)
            if self._notifier is not None:
                self._notifier.ended(execution, ending)
            self._worker.ended(execution, ending)
        self.forget(ending.execution_id)
