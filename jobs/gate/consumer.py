"""A worker's side of the gate: claim, emit, finish, release, beat and recover. `taker.py` takes."""

import itertools
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
import orjson
import redis

from jobs import keys
from jobs.errors import InvalidRequest, MlxqError, ModelNotFound, OutputTooLarge, RequestGone, WorkerDied
from jobs.events import (
    Cancelled,
    Completed,
    Downloading,
    Expired,
    Failed,
    Progress,
    ProgressState,
    Requeued,
    encode_event,
)
from jobs.gate.affinity import Seat
from jobs.gate.last_step import LastStep
from jobs.gate.rq_result import FAILED, STOPPED, SUCCESSFUL, result_fields
from jobs.gate.runner import Call
from jobs.gate.scripts import MEMORY_MARK, Ttl, iso_now
from jobs.gate.taker import AGING, Taker
from jobs.job_log import log_end
from jobs.metrics import counted
from jobs.redis.clock import CLOCK
from jobs.request import Claim
from jobs.results import Result
from jobs.service_class import service_class
from jobs.status import JobStatus

log = logging.getLogger(__name__)

#: Seconds that an execution belongs to its worker after a beat, and between two beats.
LEASE = 6.0
BEAT = 1.5
#: Seconds in which every worker has renewed its leases after Redis was away.
PATIENCE = 2 * BEAT
#: Seconds after which a job that was taken off the queue but not claimed is put back.
UNCLAIMED_GRACE = 2.0

#: Bytes of the largest result, as JSON: it is kept twice, as RQ's and as the job's last event.
LARGEST_RESULT = 64 << 20
#: Bytes of all events of an execution: speech for an hour, or a million tokens.
LARGEST_STORY = 256 << 20


@dataclass(frozen=True, slots=True)
class Ending:
    """How an execution ended: exactly one of `result`, `error` and cancellation (neither)."""

    job_id: str
    execution_id: str
    result: Result | None = None
    error: MlxqError | None = None


class Emission(NamedTuple):
    """An event of an execution; `number` counts the events of the execution from 1."""

    job_id: str
    execution_id: str
    number: int
    event: bytes


class Gate(Taker):
    """A worker's side of the gate for one queue. Thread-safe as far as its Redis client is."""

    def __init__(
        self,
        connection: redis.Redis,
        queue: str,
        worker: str,
        ttl: Ttl,
        aging: float = AGING,
        rests: Callable[[], bool] = lambda: False,
        seat: Seat | None = None,
    ) -> None:
        """`aging`, `rests`, `seat`: see `Taker`."""
        super().__init__(connection, queue, aging, rests, seat)
        self.worker = worker
        self._ttl = ttl
        #: of each execution the number of its last event, and the bytes of all
        self._said: dict[str, tuple[int, int]] = {}

    def claim(self, taken: Sequence[tuple[str, str]]) -> list[Claim]:
        """Make (job, execution)s this worker's, in one round trip.

        Those that must not run are left out: cancelled, expired, or somebody else's by now.
        """
        claims = []
        answers = self._scripts.run_many([self._claim_call(*each) for each in taken])
        for (job_id, execution_id), verdict in zip(taken, answers, strict=True):
            if verdict[0] == b"expired":
                log_end(job_id, JobStatus.EXPIRED)
            if verdict[0] != b"ok":
                continue
            try:
                claim = Claim.decode(job_id, execution_id, int(verdict[1]), verdict[2])
                waited = None if verdict[3] == b"" else int(verdict[3]) / 1000
                app = verdict[4].decode(errors="replace")
                claims.append(
                    replace(
                        claim,
                        waited=waited,
                        app=app,
                        suspect=bool(verdict[5]),
                        lingers=bool(verdict[6]),
                        service_class=service_class(verdict[7].decode()),
                        trace=verdict[8].decode(errors="replace"),
                        worker=verdict[9].decode(errors="replace"),
                    )
                )
            except (RequestGone, InvalidRequest) as error:
                self.write([], [Ending(job_id, execution_id, error=error)])
                log_end(job_id, JobStatus.FAILED, error=error)
            except (
                LookupError,
                TypeError,
                ValueError,
                AttributeError,
                RecursionError,
                zlib.error,
                msgspec.MsgspecError,
            ):
                no_job = InvalidRequest("This is no mlxq job: something else put it into the queue.")
                self.write([], [Ending(job_id, execution_id, error=no_job)])
                log_end(job_id, JobStatus.FAILED, error=no_job)
        return claims

    def _claim_call(self, job_id: str, execution_id: str) -> Call:
        names = [
            keys.job(job_id),
            keys.intermediate(self.queue),
            keys.started(self.queue),
            keys.cancelled(self.queue),
        ]
        arguments = [
            job_id,
            execution_id,
            self.worker,
            LEASE,
            iso_now(),
            CLOCK.now(),
            self._ttl.result,
            self._ttl.events,
            encode_event(Expired()),
            keys.waits(self.queue),
            keys.MODEL_USES,
            keys.MODEL_USED,
            self.queue,
        ]
        return Call("claim", names, arguments)

    def write(self, events: Sequence[Emission], endings: Sequence[Ending]) -> set[str]:
        """Write events and then the ends of executions, in one round trip. Writing the same again is harmless.

        Returns the executions that are no longer ours: nothing was written for them.
        """
        over = self._talkative(events)
        if over:
            events = [event for event in events if event.execution_id not in over]
            endings = [ending for ending in endings if ending.execution_id not in over]
            if not events and not endings:
                return over
        calls: list[Call] = []
        if events:
            arguments = list(itertools.chain.from_iterable(events))
            calls.append(Call("emit", [], arguments))
        calls += [self._finish_call(ending) for ending in endings]
        answers = self._scripts.run_many(calls)
        lost = {execution.decode() for execution in answers[0]} if events else set()
        ends = answers[1:] if events else answers
        for dependents in ends:
            _log_dependents(dependents)
        lost |= {e.execution_id for e, done in zip(endings, ends, strict=True) if not done}
        for execution_id in (*lost, *over, *(ending.execution_id for ending in endings)):
            self._said.pop(execution_id, None)
        return lost | over

    def _talkative(self, events: Sequence[Emission]) -> set[str]:
        """Count what executions say; those whose events are more than Redis keeps of one job are failed."""
        over: dict[str, str] = {}
        for job_id, execution, number, event in events:
            counted, size = self._said.get(execution, (0, 0))
            # What is written again was counted before.
            if number > counted:
                self._said[execution] = (number, size + len(event))
                if size + len(event) > LARGEST_STORY:
                    over[execution] = job_id
        if over:
            error = OutputTooLarge(f"The job has said more than {LARGEST_STORY >> 20} MB.")
            self.write([], [Ending(job_id, execution, error=error) for execution, job_id in over.items()])
            for job_id in over.values():
                log_end(job_id, JobStatus.FAILED, error=error)
        return set(over)

    def progress(self, job_id: str, execution_id: str, state: ProgressState) -> bool:
        """Say how far a job is, to whoever watches it and to the jobs that wait for it. False: it is not ours."""
        told = msgspec.structs.asdict(state)
        for_others = {**told, "job": job_id}
        arguments = [
            job_id,
            execution_id,
            msgspec.json.encode(state),
            encode_event(Progress(**told)),
            msgspec.json.encode(ProgressState(**for_others)),
            encode_event(Downloading(**for_others)),
        ]
        return bool(self._scripts.run("progress", [keys.job(job_id), keys.started(self.queue)], arguments))

    def release(self, job_id: str, execution_id: str, suspicion: str = "") -> bool:
        """Put a running job back at the front of its class: this worker drains, or failed while it ran the job.

        `suspicion`: a name for that failure; the job runs alone then.
        """
        self._said.pop(execution_id, None)
        event = encode_event(Requeued())
        return bool(
            self._scripts.run("release", [keys.started(self.queue)], [job_id, execution_id, event, suspicion])
        )

    def beat(self, executions: Sequence[tuple[str, str]]) -> tuple[set[str], set[str], set[str]]:
        """Renew the leases of (job, execution) pairs. Returns the executions (lost, to be cancelled, lingering)."""
        arguments = [
            LEASE,
            iso_now(),
            CLOCK.now(),
            *itertools.chain.from_iterable(executions),
        ]
        answer = self._scripts.run("beat", [keys.started(self.queue)], arguments)
        verdicts = list(zip(answer[::2], answer[1::2], strict=True))
        lost, cancelled, lingering = (
            {execution.decode() for verdict, execution in verdicts if verdict == word}
            for word in (b"lost", b"cancel", b"linger")
        )
        return lost, cancelled, lingering

    def yield_place(self, job_id: str, execution_id: str) -> bool:
        """Cancel a running job that lingers; its execution has to end. False: a client waits for it again."""
        return bool(self._scripts.run("yield", [keys.started(self.queue)], [job_id, execution_id]))

    def sweep(self) -> None:
        """Cancel the queue's jobs whose clients have not come back in time."""
        ended = self._scripts.run("sweep", [], [self.queue, iso_now(), self._ttl.result, self._ttl.events])
        for job_id in ended:
            log_end(job_id.decode(), JobStatus.CANCELLED)

    def recover(
        self,
        max_attempts: int,
        dead_workers: Sequence[str] = (),
        steps: Mapping[str, LastStep] | None = None,
        machine: str = "",
        *,
        patient: bool = False,
    ) -> tuple[int, int]:
        """Bring back what dead workers left on this queue. Returns how many jobs were (requeued, failed).

        `steps`: what each worker worked on at last, as far as that is known. With it, jobs that are suspected of the
        death of a worker run alone; None: they run as before. `machine`: this one; that a worker of another one is
        gone may have many reasons; its jobs run as before the first time. `patient`: leases may have ended because
        Redis was away; only what the dead left is brought back.
        """
        error = WorkerDied("The worker crashed {crashes} while it ran this job; it is not tried again.")
        result = result_fields(FAILED, "", "", exc_string="The worker crashed while it ran this job.")
        last = {name: step.plain() for name, step in (steps or {}).items()}
        lists = (keys.intermediate, keys.started, keys.failed, keys.cancelled)
        answer = self._scripts.run(
            "recover",
            [key(self.queue) for key in (*lists, keys.intermediate_seen)],
            [
                iso_now(),
                max_attempts,
                UNCLAIMED_GRACE,
                self._ttl.result,
                self._ttl.events,
                encode_event(Requeued()),
                encode_event(Failed(error.fields())),
                encode_event(Cancelled()),
                error.message,
                orjson.dumps([f.decode() if isinstance(f, bytes) else str(f) for f in result]),
                msgspec.json.encode(error.fields()),
                orjson.dumps(list(dead_workers)),
                orjson.dumps(last),
                int(steps is not None),
                self.queue,
                machine,
                int(patient),
            ],
        )
        requeued, failed, cancelled = ([each.decode() for each in ids] for ids in answer)
        for job_id in requeued:
            log.warning("job %s goes back to its queue: its worker died, or never began it", job_id)
        for job_id in failed:
            log_end(job_id, JobStatus.FAILED, error=error)
        for job_id in cancelled:
            log_end(job_id, JobStatus.CANCELLED)
        return len(requeued), len(failed)

    def relieve(self) -> int:
        """Delete ended jobs, the oldest first, while Redis' memory is short. Returns how many."""
        return int(self._scripts.run("relieve", [], [MEMORY_MARK, self._ttl.result]))

    def _finish_call(self, ending: Ending) -> Call:
        result = None if ending.result is None else msgspec.json.encode(ending.result)
        if result is not None and len(result) > LARGEST_RESULT:
            limit = f"{LARGEST_RESULT >> 20} MB"
            ending = replace(ending, result=None, error=OutputTooLarge(f"The result is larger than {limit}."))
            result = None
        if ending.error is not None:
            status, registry, kind = "failed", keys.failed(self.queue), FAILED
            event = encode_event(Failed(ending.error.fields()))
        elif result is not None:
            status, registry, kind = "finished", keys.finished(self.queue), SUCCESSFUL
            event = encode_event(Completed(msgspec.Raw(result)))
        else:
            status, registry, kind = "canceled", keys.cancelled(self.queue), STOPPED
            event = encode_event(Cancelled())
        exception = ending.error.message if ending.error else ""
        names = [keys.job(ending.job_id), keys.started(self.queue), registry, keys.results(ending.job_id)]
        fields = result_fields(
            kind, self.worker, ending.execution_id, return_value=result, exc_string=exception
        )
        files = {} if ending.result is None else ending.result.files()
        outputs = " ".join(sorted({file.blob for file in files.values()}))
        arguments = [
            ending.job_id,
            ending.execution_id,
            status,
            iso_now(),
            self._ttl.result,
            self._ttl.events,
            event,
            exception,
            msgspec.json.encode(ending.error.fields()) if ending.error else "",
            outputs,
            *counted(ending.result),
            *fields,
        ]
        return Call("finish", names, arguments)


def _log_dependents(finished: Any) -> None:
    """`finish.lua` tells which jobs failed because the one that they waited for did."""
    for job_id in finished[1:] if isinstance(finished, list) else ():
        log_end(job_id.decode(), JobStatus.FAILED, error=ModelNotFound("Its model could not be fetched."))
