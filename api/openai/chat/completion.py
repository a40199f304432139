"""The answer of a chat: the completion, and the chunks of its stream. The types only; `render.py` makes them."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from api.http.job_options.service_class import ServedTier
from api.openai.usage import Usage

FinishReason = Literal["stop", "length", "tool_calls", "function_call"]


class LikelyToken(TypedDict):
    token: str
    logprob: float
    bytes: list[int] | None


class ChatLogprob(TypedDict):
    """A token that was taken, and the likeliest in its place."""

    token: str
    logprob: float
    bytes: list[int] | None
    top_logprobs: list[LikelyToken]


class ChatLogprobs(TypedDict):
    content: list[ChatLogprob]
    refusal: None


class CalledFunction(TypedDict):
    """`arguments` is JSON text."""

    name: str
    arguments: str


class ChatToolCall(TypedDict):
    id: str
    type: Literal["function"]
    function: CalledFunction


class ChatMessage(TypedDict):
    """`function_call` answers a request with `functions`, `tool_calls` one with `tools`."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    reasoning_content: NotRequired[str]
    function_call: NotRequired[CalledFunction]
    tool_calls: NotRequired[list[ChatToolCall]]


class ChatChoice(TypedDict):
    index: int
    message: ChatMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason


class ChatCompletion(TypedDict):
    """`service_tier` is told where the request has one."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    system_fingerprint: str
    service_tier: NotRequired[ServedTier]


class FunctionPart(TypedDict):
    """`name` comes once, with the first part of the call."""

    name: NotRequired[str]
    arguments: str


class ChatToolCallPart(TypedDict):
    """`id` and `type` come once, with the first part of the call."""

    index: int
    id: NotRequired[str]
    type: NotRequired[Literal["function"]]
    function: FunctionPart


class ChatDelta(TypedDict, total=False):
    """What is new in a message; empty at its end."""

    role: Literal["assistant"]
    content: str
    refusal: None
    reasoning_content: str
    function_call: FunctionPart
    tool_calls: list[ChatToolCallPart]


class ChatChunkChoice(TypedDict):
    index: int
    delta: ChatDelta
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason | None


class ChatChunk(TypedDict):
    """With `include_usage`, `usage` is on every chunk, and null on all but the last, which has no choices."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: str
    service_tier: NotRequired[ServedTier]
    choices: list[ChatChunkChoice]
    usage: NotRequired[Usage | None]
