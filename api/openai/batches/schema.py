"""Batches as OpenAI describes them: the request, the batch object, and the lines of its files."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from api.http.job_options.webhook import Notifying
from api.openai.files.schema import USUAL_TTL, FileExpiry

_WINDOW = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_SECONDS = {"m": 60, "h": 3_600, "d": 86_400}
#: Longest time that a batch may take.
_LONGEST = 30 * 86_400


def window_seconds(window: str) -> int:
    found = _WINDOW.fullmatch(window)
    return int(found[1]) * _SECONDS[found[2]] if found else 0


def _window(window: str) -> str:
    if not 60 <= window_seconds(window) <= _LONGEST:
        raise PydanticCustomError("window", "should be '24h', or another time from '1m' to '30d'")
    return window


Key = Annotated[str, Field(max_length=64)]
Value = Annotated[str, Field(max_length=512)]


class CreateBatch(Notifying):
    """`completion_window`: also other times than OpenAI's."""

    input_file_id: Annotated[str, Field(min_length=1, max_length=100)]
    endpoint: Annotated[str, Field(max_length=100)]
    completion_window: Annotated[str, AfterValidator(_window)]
    metadata: Annotated[dict[Key, Value], Field(max_length=16)] | None = None
    output_expires_after: FileExpiry | None = None

    @property
    def output_ttl(self) -> int:
        return USUAL_TTL if self.output_expires_after is None else self.output_expires_after.seconds


class BatchErrorObject(TypedDict):
    """What is wrong with the input file."""

    code: str
    line: int | None
    message: str
    param: str | None


class BatchErrors(TypedDict):
    object: Literal["list"]
    data: list[BatchErrorObject]


class BatchCounts(TypedDict):
    """Requests that were neither completed nor failed were not answered: the batch has not ended, or was cut off."""

    total: int
    completed: int
    failed: int


class CachedTokens(TypedDict):
    cached_tokens: int


class ReasoningTokens(TypedDict):
    reasoning_tokens: int


class BatchUsage(TypedDict):
    input_tokens: int
    input_tokens_details: CachedTokens
    output_tokens: int
    output_tokens_details: ReasoningTokens
    total_tokens: int


BatchState = Literal[
    "validating",
    "failed",
    "in_progress",
    "finalizing",
    "completed",
    "expired",
    "cancelling",
    "cancelled",
]


class BatchObject(TypedDict):
    """A batch. Its output file has the answers so far, its error file the requests that have none."""

    id: str
    object: Literal["batch"]
    endpoint: str
    errors: BatchErrors | None
    input_file_id: str
    completion_window: str
    status: BatchState
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: BatchCounts
    usage: BatchUsage
    metadata: dict[str, str] | None


class BatchList(TypedDict):
    object: Literal["list"]
    data: list[BatchObject]
    first_id: str | None
    last_id: str | None
    has_more: bool
