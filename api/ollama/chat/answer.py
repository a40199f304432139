"""The answers of chat and generate, which are also the lines of their streams. The types only."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from api.openai.chat.completion import ChatLogprob
from config.values import JsonObject


class OllamaFunction(TypedDict):
    """`arguments` is an object."""

    index: int
    name: str
    arguments: JsonObject


class OllamaCall(TypedDict):
    id: str
    function: OllamaFunction


class OllamaMessage(TypedDict):
    role: Literal["assistant"]
    content: str
    thinking: NotRequired[str]
    tool_calls: NotRequired[list[OllamaCall]]


class _Line(TypedDict):
    """The counts and durations, in nanoseconds, come with the end."""

    model: str
    created_at: str
    logprobs: NotRequired[list[ChatLogprob]]
    done: bool
    done_reason: NotRequired[Literal["stop", "length", "load", "unload"]]
    total_duration: NotRequired[int]
    load_duration: NotRequired[int]
    prompt_eval_count: NotRequired[int]
    prompt_eval_duration: NotRequired[int]
    eval_count: NotRequired[int]
    eval_duration: NotRequired[int]


class OllamaChat(_Line):
    message: OllamaMessage


class OllamaGenerated(_Line):
    response: str
    thinking: NotRequired[str]
