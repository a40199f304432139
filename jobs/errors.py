"""Every error a caller can see, as data: HTTP status, OpenAI type and code, and whether a retry can help.

Raised where the fact is known (API, gate or worker), carried through Redis as plain values, and rendered to
HTTP in one place (`api/http/answers/errors.py`).
"""

import errno

import msgspec


class ErrorFields(msgspec.Struct, frozen=True):
    """An error on its way through Redis."""

    message: str = "The job failed."
    type: str = "server_error"
    param: str | None = None
    code: str | None = None
    status: int = 500
    retryable: bool = False


class MlxqError(Exception):
    """The root. `message` is for the user: it names no path, host or secret of the machine."""

    status: int = 500
    code: str | None = "internal_error"
    type: str = "server_error"
    retryable: bool = False

    def __init__(self, message: str, *, param: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after

    def fields(self) -> ErrorFields:
        """The error as plain values, to travel through Redis (`of` is its inverse)."""
        return ErrorFields(self.message, self.type, self.param, self.code, self.status, self.retryable)

    @staticmethod
    def of(fields: ErrorFields) -> "MlxqError":
        error = MlxqError(fields.message, param=fields.param)
        error.status, error.type, error.code = fields.status, fields.type, fields.code
        error.retryable = fields.retryable
        return error


class InvalidRequest(MlxqError):
    """The request can never succeed as it is."""

    status = 400
    code = "invalid_request"
    type = "invalid_request_error"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message, param=param)
        if code is not None:
            self.code = code


class ContextLengthExceeded(InvalidRequest):
    """The prompt does not fit the model's context window."""

    code = "context_length_exceeded"

    @classmethod
    def told(cls, reason: str, tokens: int, most: int, param: str) -> "ContextLengthExceeded":
        """With both numbers. OpenAI's programs go by the code; Claude Code reads the numbers from the text."""
        text = f"{reason}: prompt is too long: {tokens} tokens > {most} maximum. Shorten the {param}."
        return cls(text, param=param)


class Unauthorized(MlxqError):
    """The key is missing or unknown."""

    status = 401
    code = "invalid_api_key"
    type = "authentication_error"


class Forbidden(MlxqError):
    """The caller may not do this from where it stands."""

    status = 403
    code = "forbidden"
    type = "permission_error"


class NotFound(MlxqError):
    """There is nothing by that name."""

    status = 404
    code = "not_found"
    type = "invalid_request_error"


class ModelNotFound(NotFound):
    """No installed model, alias or allowed path has that name."""

    code = "model_not_found"


class JobNotFound(NotFound):
    """No job has that id, or its result has expired."""

    code = "job_not_found"


class BlobGone(NotFound):
    """A file that was sent with a request has expired, or was lost with its folder."""

    code = "file_not_found"


class ModelElsewhere(NotFound):
    """The worker that a request names lacks the files of the model."""

    code = "model_not_on_worker"


class WorkerNotFound(NotFound):
    """No worker of that name is there."""

    code = "worker_not_found"


class RequestGone(NotFound):
    """A job that has ended was queued again by hand, and its request was not kept."""

    code = "request_not_kept"


class Conflict(MlxqError):
    """The request contradicts what is already there. The OpenAI SDKs must not retry it."""

    status = 409
    code = "conflict"
    type = "invalid_request_error"


class PayloadTooLarge(MlxqError):
    """The body is larger than the server accepts."""

    status = 413
    code = "request_too_large"
    type = "invalid_request_error"


class NotSupported(MlxqError):
    """What is asked for exists, and this server does not have it."""

    status = 501
    code = "not_supported"
    type = "invalid_request_error"


class JobCancelled(MlxqError):
    """The job was cancelled before it ended. 499 is the field's status for a closed request."""

    status = 499
    code = "job_cancelled"
    type = "invalid_request_error"


class QueueFull(MlxqError):
    """As many jobs wait in this category as are allowed to."""

    status = 429
    code = "queue_full"
    type = "rate_limit_error"
    retryable = True


class Displaced(QueueFull):
    """A background job had to make way for a more urgent one (`jobs/gate/admit.lua` writes the same)."""

    code = "displaced"

    def __init__(self) -> None:
        super().__init__("The queue was full, and this background job had to make way for a more urgent one.")


class ServiceUnavailable(MlxqError):
    """Redis or the worker is out of reach, or out of memory."""

    status = 503
    code = "service_unavailable"
    type = "server_error"
    retryable = True


class HubUnavailable(ServiceUnavailable):
    """The model hub is offline, out of reach, or does not want to answer now."""

    code = "hub_unavailable"
    #: whether it did not answer at all
    out_of_reach: bool = False

    @classmethod
    def because(cls, error: Exception) -> "HubUnavailable":
        return cls(
            f"The model hub is out of reach ({type(error).__name__}). Installed models work all the same.",
            retry_after=30,
        )


class RedisDenied(ServiceUnavailable):
    """The Redis user may not do what mlxq needs: trying again does not help until it may."""


class InsufficientStorage(MlxqError):
    """What is to be kept does not fit on the disk."""

    status = 507
    code = "insufficient_storage"
    type = "server_error"


#: How the system says that a disk, or what a user may have of it, is full.
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def is_disk_full(error: BaseException | None) -> bool:
    """Whether this error, or one that led to it, is that of a full disk."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


def disk_full() -> InsufficientStorage:
    return InsufficientStorage("The server's disk is full: what this request needs could not be written.")


class JobExpired(MlxqError):
    """The job waited longer than its caller would have waited for it, and was never started."""

    status = 504
    code = "job_expired"
    type = "server_error"


class JobTimeout(MlxqError):
    """The job made no progress for longer than its kind allows, or ran longer than any job may."""

    status = 504
    code = "timeout"
    type = "server_error"


class EngineFailure(MlxqError):
    """The engine raised while it served this job."""

    code = "engine_error"


class OutputTooLarge(EngineFailure):
    """What the job said or made is more than is kept of one job."""

    code = "output_too_large"


class OutOfMemory(EngineFailure):
    """The model ran out of memory, as often as it was tried with others out of the way."""

    code = "out_of_memory"


class WorkerDied(MlxqError):
    """The worker died under this job as often as a job may be tried."""

    code = "worker_died"


#: Longest pause that the OpenAI SDKs honour, in seconds.
MAX_RETRY_AFTER = 120
