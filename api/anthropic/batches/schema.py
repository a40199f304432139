"""Batches of messages as Anthropic describes them."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from api.anthropic.dialect import AnthropicError
from api.anthropic.messages.answer import AnthropicMessage
from api.anthropic.messages.schema import MessagesRequest
from api.http.bodies.fields import RequestModel


class BatchedMessage(RequestModel):
    """A request of a batch. `params` is the body of a message; it is checked when its turn comes."""

    custom_id: Annotated[str, Field(pattern="^[a-zA-Z0-9_-]{1,64}$")]
    params: MessagesRequest


class CreateMessageBatch(RequestModel):
    """All requests of a batch."""

    requests: Annotated[list[BatchedMessage], Field(min_length=1)]


class MessageBatchCounts(TypedDict):
    processing: int
    succeeded: int
    errored: int
    canceled: int
    expired: int


class MessageBatch(TypedDict):
    """Times are in RFC 3339."""

    id: str
    type: Literal["message_batch"]
    processing_status: Literal["in_progress", "canceling", "ended"]
    request_counts: MessageBatchCounts
    created_at: str
    expires_at: str
    ended_at: str | None
    cancel_initiated_at: str | None
    archived_at: str | None
    results_url: str | None


class MessageBatchList(TypedDict):
    data: list[MessageBatch]
    has_more: bool
    first_id: str | None
    last_id: str | None


class DeletedMessageBatch(TypedDict):
    id: str
    type: Literal["message_batch_deleted"]


class SucceededMessage(TypedDict):
    type: Literal["succeeded"]
    message: AnthropicMessage


class ErroredMessage(TypedDict):
    type: Literal["errored"]
    error: AnthropicError


class UnansweredMessage(TypedDict):
    type: Literal["canceled", "expired"]


class MessageBatchResult(TypedDict):
    """A line of the results."""

    custom_id: str
    result: SucceededMessage | ErroredMessage | UnansweredMessage
