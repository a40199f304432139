"""What a job is: plain values that the API writes and the worker reads."""

import secrets
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import msgspec

from jobs.blobs import Uploads
from jobs.errors import InvalidRequest, RequestGone
from jobs.kinds import KINDS, Kind
from jobs.meta import NOTHING_NOTED, Meta
from jobs.payloads import Payload
from jobs.service_class import ServiceClass
from jobs.webhooks import Webhook

#: The dialect of a job that names none.
DEFAULT_DIALECT = "openai"
#: That of jobs that mlxq submits for itself.
NATIVE_DIALECT = "native"

#: The share of jobs without an app.
NOBODY = "-"

#: The function that RQ's own tools show for a job of each kind.
FUNCTION = "worker.rq_function.run"


def new_job_id(kind: Kind, prefix: str = "") -> str:
    """`prefix`, with what separates it, takes the place of the kind's own."""
    return f"{prefix or KINDS[kind].prefix + '-'}{secrets.token_hex(12)}"


class Attach(IntEnum):
    """Which earlier job a request means that is the same (jobs/gate/resend.lua)."""

    #: none
    NEVER = 0
    #: one whose client has left before it had the whole answer
    LEFT = 1
    #: any that has given or can still give an answer
    RETRY = 2
    #: any that has not ended
    LIVING = 3


class _Arguments(msgspec.Struct, frozen=True):
    """What RQ's tools show as the arguments of a job's function."""

    kind: str
    model: str
    payload: Payload
    timeout: float
    max_run_time: float
    stream: bool


class _Found(msgspec.Struct, frozen=True):
    """The same as it is read. `ended` alone stands in for a request that was not kept."""

    kind: str
    model: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"{}")
    timeout: float = 0.0
    max_run_time: float = 0.0
    stream: bool = False
    ended: bool = False


_DATA = msgspec.json.Decoder(tuple[str, None, list[object], _Found])


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One accepted request.

    `queue` is one of `QUEUES`. `model` is the resolved reference that the worker can load. `payload` is the validated
    request. `timeout` is how many seconds it may make no progress, `max_run_time` how many it may run (0: any).
    `dialect` names the API that the request was written for: answers, errors and streams are rendered in it.
    `expires_in` is how many seconds the caller waits for the start, None: without limit. `app` names the calling
    program in listings. `owner` stands for the key that may see the job; it is empty where there are no keys. `needs`
    is a job that must complete before this one may run. `service_class`, and then `priority`, say how urgent it is: a
    greater priority goes first. `share` is the app by which it has its turn within its class. `fingerprint` is the
    same for requests that ask for the same, and `attach` says which earlier one of them it may mean. `linger`:
    seconds for which it goes on when its last client has left; 0: it is cancelled then. `seeded`: it names the seed
    of its answer. `work` is how much it asks for and `most_tokens` how much it may write (jobs/eta/work.py): its time
    is estimated from them. `size` is the number of bytes of the request. `uploads` are the files that came with it.
    They are the job's once it is accepted. `kept` is a text that stays with the job's record, for its dialect alone.
    `trace` is the context of the request's span, where there are traces. `webhook` is told of its
    end. `prefix` is the same for jobs that begin alike (jobs/prefix.py): they go to the same worker. `worker` is the
    only one that may take it, empty: any.
    """

    id: str
    queue: str
    kind: Kind
    model: str
    payload: Payload
    timeout: float
    max_run_time: float = 0.0
    stream: bool = False
    dialect: str = DEFAULT_DIALECT
    expires_in: float | None = None
    app: str = ""
    owner: str = ""
    idempotency_scope: str | None = None
    fingerprint: str | None = None
    attach: Attach = Attach.NEVER
    linger: float = 0.0
    seeded: bool = False
    needs: "JobRequest | None" = None
    service_class: ServiceClass = ServiceClass.NORMAL
    share: str = NOBODY
    priority: int = 0
    size: int = 0
    work: float = 0.0
    most_tokens: int = 0
    meta: Meta = NOTHING_NOTED
    kept: str = ""
    trace: str = ""
    webhook: Webhook | None = None
    prefix: str = ""
    worker: str = ""
    uploads: Uploads | None = field(default=None, compare=False)

    @property
    def inputs(self) -> Sequence[str]:
        """The files that came with the request, by their ids."""
        return () if self.uploads is None else self.uploads.ids

    def encode(self) -> bytes:
        """RQ's `data` field under its JSON serializer: (function, instance, args, kwargs)."""
        arguments = _Arguments(
            self.kind, self.model, self.payload, self.timeout, self.max_run_time, self.stream
        )
        return msgspec.json.encode([FUNCTION, None, [], arguments])

    @property
    def description(self) -> str:
        """One line for `rq info` and dashboards; never the prompt."""
        return f"{self.kind}({self.model.rsplit('/', 1)[-1]})"


@dataclass(frozen=True, slots=True)
class Claim:
    """A job as the worker holds it: its request, and the execution that is the worker's right to it."""

    job_id: str
    execution_id: str
    attempt: int
    kind: Kind
    model: str
    payload: Payload
    timeout: float
    max_run_time: float
    stream: bool
    #: who asked for it, and how many seconds ago it was submitted when it was claimed
    app: str = ""
    waited: float | None = None
    #: whether a worker has died in its company: nothing runs beside it
    suspect: bool = False
    #: whether its last client has left
    lingers: bool = False
    service_class: ServiceClass = ServiceClass.NORMAL
    trace: str = ""
    #: the only worker that may run it; empty: any
    worker: str = ""
    #: bytes of the request
    size: int = 0

    @staticmethod
    def decode(job_id: str, execution_id: str, attempt: int, data: bytes) -> "Claim":
        """Raises RequestGone for a job that ended and was put into a queue again, InvalidRequest for a payload that
        does not fit its kind, ValueError or msgspec.MsgspecError for what is no job.
        """
        # RQ compresses the data of a job that it saves itself (a retry after its own clean-up).
        _, _, _, found = _DATA.decode(data if data.startswith(b"[") else zlib.decompress(data))
        if found.ended:
            raise RequestGone("The job has ended before, and its request was not kept: send it again.")
        kind = Kind(found.kind)
        try:
            payload = msgspec.json.decode(found.payload, type=KINDS[kind].payload)
        except msgspec.MsgspecError as error:
            raise InvalidRequest(f"The payload is none of a job of kind '{kind}': {error}.") from None
        return Claim(
            job_id=job_id,
            execution_id=execution_id,
            attempt=attempt,
            kind=kind,
            model=found.model,
            payload=payload,
            timeout=found.timeout,
            max_run_time=found.max_run_time,
            stream=found.stream,
            size=len(bytes(found.payload)),
        )
