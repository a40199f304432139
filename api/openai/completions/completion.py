"""The answer of a completion: the whole, and the chunks of its stream. The types only; `render.py` makes them."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from api.openai.usage import Usage

CompletionReason = Literal["stop", "length"]


class CompletionLogprobs(TypedDict):
    """Parallel lists. Of the first token of an echoed prompt there is no probability."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float | None] | None]
    text_offset: list[int]


class CompletionChoice(TypedDict):
    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: CompletionReason


class Completion(TypedDict):
    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[CompletionChoice]
    usage: Usage


class CompletionChunkChoice(TypedDict):
    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: CompletionReason | None


class CompletionChunk(TypedDict):
    """With `include_usage`, `usage` is on every chunk, and null on all but the last, which has no choices."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[CompletionChunkChoice]
    usage: NotRequired[Usage | None]
