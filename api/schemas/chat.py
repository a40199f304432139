"""`POST /v1/chat/completions`: the request with OpenAI's ranges and what local servers add to it."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from api.schemas.fields import MAX_COUNT, Count, Penalty, Probability, RequestModel, Seed
from api.schemas.messages import Message

#: Fields that clients send and that have no meaning for a model on the own machine.
HARMLESS = frozenset(
    {
        "metadata",
        "parallel_tool_calls",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning_effort",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
        "verbosity",
    }
)

#: What is handed to the engine as it is, when the client said it.
_SAMPLING = (
    "temperature",
    "top_k",
    "min_p",
    "xtc_probability",
    "xtc_threshold",
    "repetition_penalty",
    "repetition_context_size",
    "presence_penalty",
    "presence_context_size",
    "frequency_penalty",
    "frequency_context_size",
    "logit_bias",
    "seed",
    "ignore_eos",
    "chat_template_kwargs",
)

#: Engines take a top_p of 0 for "off"; to OpenAI's clients it means "only the likeliest token".
_SMALLEST_TOP_P = 1e-6

#: Levels of objects and lists that a value of the client's own may have.
_DEEPEST = 32

T = TypeVar("T")

TokenId = Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]
Bias = Annotated[float, Field(ge=-100, le=100)]
StopText = Annotated[str, Field(min_length=1)]


class StreamOptions(RequestModel):
    include_usage: bool | None = None


class ResponseFormat(RequestModel):
    type: str = "text"


class ChatRequest(RequestModel):
    """A chat to complete."""

    harmless = HARMLESS

    model: str
    messages: Annotated[list[Message], Field(min_length=1)]

    max_completion_tokens: Count | None = None
    max_tokens: Count | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Probability | None = None
    top_k: Annotated[int, Field(ge=0, le=MAX_COUNT)] | None = None
    min_p: Probability | None = None
    xtc_probability: Probability | None = None
    xtc_threshold: Annotated[float, Field(ge=0, le=0.5)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=2)] | None = None
    repetition_context_size: Count | None = None
    presence_penalty: Penalty | None = None
    presence_context_size: Count | None = None
    frequency_penalty: Penalty | None = None
    frequency_context_size: Count | None = None
    logit_bias: dict[TokenId, Bias] | None = None
    seed: Seed | None = None
    stop: Annotated[list[StopText], Field(max_length=4)] | None = None
    ignore_eos: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None

    stream: bool | None = None
    stream_options: StreamOptions | None = None
    background: bool | None = None

    n: int | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    functions: list[Any] | None = None
    function_call: Any = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    audio: dict[str, Any] | None = None

    @field_validator("stop", mode="before")
    @classmethod
    def _one_stop_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("chat_template_kwargs")
    @classmethod
    def _not_too_deep(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if _deeper_than(_DEEPEST, value):
            raise PydanticCustomError("too_deep", "must not be nested deeper than 32 levels")
        return value

    @field_validator("n")
    @classmethod
    def _one_choice(cls, value: int | None) -> int | None:
        if value is not None and value < 1:
            raise PydanticCustomError("range", "must be at least 1")
        return _only(value in (None, 1), value, "more than one choice is not supported yet; leave it at 1")

    @field_validator("tools", "functions")
    @classmethod
    def _no_tools(cls, value: list[Any] | None) -> list[Any] | None:
        return _only(not value, value, "tools are not supported yet")

    @field_validator("tool_choice", "function_call")
    @classmethod
    def _no_tool_choice(cls, value: Any) -> Any:
        return _only(value in (None, "none", "auto"), value, "tools are not supported yet; only 'none' works")

    @field_validator("response_format")
    @classmethod
    def _text_only(cls, value: ResponseFormat | None) -> ResponseFormat | None:
        is_text = value is None or value.type == "text"
        return _only(is_text, value, "structured output is not supported yet; only the type 'text' works")

    @field_validator("logprobs", "top_logprobs")
    @classmethod
    def _no_logprobs(cls, value: int | None) -> int | None:
        return _only(not value, value, "log probabilities are not supported yet")

    @field_validator("modalities", "audio")
    @classmethod
    def _no_audio(cls, value: Any) -> Any:
        return _only(value in (None, [], ["text"]), value, "audio output is not supported yet")

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def payload(self) -> dict[str, Any]:
        """The job's payload: what the client said and no more, so that the model's own defaults hold."""
        payload: dict[str, Any] = {"messages": [message.plain() for message in self.messages]}
        max_tokens = self.max_completion_tokens or self.max_tokens
        if max_tokens is not None:
            payload["max_tokens"] = max_tokens
        if self.top_p is not None:
            payload["top_p"] = max(self.top_p, _SMALLEST_TOP_P)
        if self.stop:
            payload["stop"] = self.stop
        for name in _SAMPLING:
            value = getattr(self, name)
            if value is not None:
                payload[name] = value
        return payload


def _deeper_than(levels: int, value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_deeper_than(levels - 1, each) for each in value)


def _only(condition: bool, value: T, otherwise: str) -> T:
    if not condition:
        raise PydanticCustomError("not_supported", otherwise)
    return value
