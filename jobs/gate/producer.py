"""The API's side of the gate: admission, cancellation, and clients that leave, on its event loop."""

import itertools
import time
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import redis.asyncio
from redis.exceptions import NoScriptError

from jobs import keys
from jobs.errors import Displaced
from jobs.gate.scripts import MEMORY_MARK, Ttl, iso_now, script
from jobs.job_log import log_end
from jobs.kinds import KINDS
from jobs.meta import encode_meta
from jobs.redis.clock import CLOCK, iso_of
from jobs.request import DEFAULT_DIALECT, JobRequest
from jobs.status import JobStatus

#: Redis' memory is looked at again after so many seconds, or so many bytes of requests.
LOOK_AGAIN, LOOK_AGAIN_BYTES = 0.05, 1 << 20


class Admission(Enum):
    OK = "ok"
    #: the idempotency key or the retry header leads to a job that is already there
    EXISTS = "exists"
    CONFLICT = "conflict"
    FULL = "full"
    MEMORY = "memory"


class Parting(Enum):
    """How a client parts with a job that has not given it the whole answer."""

    #: it knows the job's id, and asks for it later
    TOLD = "told"
    #: it has left, and the job goes on
    KEPT = "kept"
    #: it has left, and the job ends after a while, unless the client comes back
    LEFT = "left"


class Change(Enum):
    """What can be changed of a job that waits."""

    #: it does not start until it is released
    HOLD = "hold"
    #: it waits in its place again
    RELEASE = "unhold"
    #: it goes before all others of its class
    FRONT = "front"
    #: it goes before the one that was before it in its line
    UP = "up"
    #: it waits in another class
    CLASS = "class"


class AsyncGate:
    """Accepts jobs and cancels them. `evicted` counts the ended jobs that had to go to make room for others."""

    def __init__(self, connection: redis.asyncio.Redis, ttl: Ttl, *, keep_bytes: int = 0) -> None:
        """`keep_bytes`: requests up to this size stay with their jobs after the end."""
        self._redis = connection
        self._ttl = ttl
        self._keep_bytes = keep_bytes
        self.evicted = 0
        #: when Redis' memory was found to be enough, and the bytes of requests since then
        self._looked_at = float("-inf")
        self._bytes_since = 0

    async def admit(
        self, request: JobRequest, limit: int, after: str = "", process: str = ""
    ) -> tuple[Admission, str]:
        """Accept the job in one round trip; it waits for the end of the job `after` if that has not ended.

        `process` is the API process whose client waits for it, if one does.
        Returns the verdict and its detail: an id, a position (0 while it waits for that job) or a depth.
        """
        now = CLOCK.now()
        data = request.encode()
        idempotency = keys.idempotency(request.idempotency_scope) if request.idempotency_scope else ""
        same = keys.same(request.fingerprint) if request.fingerprint else ""
        fields = self._fields(request, data, now) | _given(
            mlxq_callers=process,
            # The records that lead to the job go with it.
            mlxq_same=same,
            mlxq_linger=same and request.linger,
            mlxq_idempotency=idempotency,
        )
        self._bytes_since += len(data) + len(request.kept)
        looks = self._looks_at_memory()
        arguments: list[Any] = [
            request.id,
            request.queue,
            limit,
            request.fingerprint or "",
            request.attach.value,
            self._ttl.result,
            "" if request.expires_in is None else request.expires_in,
            MEMORY_MARK if looks else "",
            after,
            process,
            iso_of(now),
            self._ttl.events,
            request.service_class.value,
            request.share,
            request.priority,
            *itertools.chain.from_iterable(fields.items()),
        ]
        verdict = await self._run("admit", [keys.job(request.id), idempotency, same], arguments)
        admission = Admission(verdict[0])
        evicted = int(verdict[2]) if len(verdict) > 2 else 0
        self.evicted += evicted
        if looks and admission is Admission.OK and not evicted:
            self._looked_at, self._bytes_since = time.monotonic(), 0
        if len(verdict) > 3 and verdict[3]:
            log_end(str(verdict[3]), JobStatus.FAILED, error=Displaced())
        detail = verdict[1] if len(verdict) > 1 else ""
        return admission, str(detail)

    def _fields(self, request: JobRequest, data: bytes, now: float) -> dict[str, object]:
        """Of the job's hash, as the request has them."""
        iso = iso_of(now)
        fields: dict[str, object] = {
            "status": "queued",
            "data": data,
            "created_at": iso,
            "enqueued_at": iso,
            "origin": f"{request.queue}:{request.service_class}:{request.share}",
            "description": request.description,
            # RQ's limit is for a whole run; -1 is none.
            "timeout": int(request.max_run_time) or -1,
            "result_ttl": self._ttl.result,
            "failure_ttl": self._ttl.result,
            # RQ's own clean-up (rq info runs it) then queues an abandoned job again instead of failing it.
            "retries_left": 3,
            "meta": encode_meta(request.meta),
            "mlxq_kind": request.kind.value,
            "mlxq_model": request.model,
            "mlxq_app": request.app,
            "mlxq_class": request.service_class.value,
            "mlxq_share": request.share,
            "mlxq_submitted_ms": int(now * 1000),
        }
        has_work = request.work or request.most_tokens
        return fields | _given(
            mlxq_use=int(KINDS[request.kind].uses_model),
            mlxq_dialect=request.dialect if request.dialect != DEFAULT_DIALECT else "",
            mlxq_owner=request.owner,
            mlxq_priority=request.priority,
            mlxq_work=f"{request.work:.6g} {request.most_tokens}" if has_work else "",
            mlxq_keep=int(len(data) <= self._keep_bytes),
            mlxq_kept=request.kept,
            mlxq_trace=request.trace,
            mlxq_webhook=request.webhook.encode() if request.webhook is not None else "",
            mlxq_prefix=request.prefix,
            mlxq_worker=request.worker,
            mlxq_inputs=" ".join(request.inputs),
            mlxq_seeded=int(request.seeded),
        )

    def _looks_at_memory(self) -> bool:
        """It takes Redis longer than all the rest of most admissions."""
        since = time.monotonic() - self._looked_at
        return since > LOOK_AGAIN or self._bytes_since > LOOK_AGAIN_BYTES

    async def cancel(self, job_id: str) -> str:
        """Cancel by script. Returns 'cancelled', 'cancelling', 'gone', or RQ's status of an ended job."""
        return str(await self._run("cancel", [], [job_id, iso_now(), self._ttl.result, self._ttl.events]))

    async def leave(self, job_id: str, process: str, parting: Parting, *, watching: bool) -> str:
        """The last client of the process that waited for the job has parted with it; it may still be `watching` it.

        Returns what `leave.lua` says.
        """
        arguments = [
            job_id,
            process,
            int(watching),
            parting.value,
            iso_now(),
            self._ttl.result,
            self._ttl.events,
        ]
        return str(await self._run("leave", [], arguments))

    async def deliver(self, process: str, jobs: Mapping[str, bool]) -> None:
        """Clients of the process have got the whole answers of these jobs; whether they were the last ones there."""
        told = itertools.chain.from_iterable((job_id, int(last)) for job_id, last in jobs.items())
        await self._run("deliver", [], [process, *told])

    async def prioritise(self, queue: str, model: str, priority: int) -> int:
        """Let what waits for a model wait in another place. Returns how many jobs that were."""
        return int(await self._run("prioritise", [], [queue, model, priority]))

    async def rearrange(self, job_id: str, change: Change, to: str = "") -> str:
        """Change how a job waits. Returns what `rearrange.lua` says."""
        return str(await self._run("rearrange", [], [job_id, change.value, to]))

    async def _run(self, name: str, names: Sequence[str], arguments: Sequence[Any]) -> Any:
        text, sha = script(name)
        try:
            return await self._redis.evalsha(sha, len(names), *names, *arguments)
        except NoScriptError:
            return await self._redis.eval(text, len(names), *names, *arguments)


def _given(**fields: object) -> dict[str, object]:
    """The fields that have a value: others are not written."""
    return {name: value for name, value in fields.items() if value}
