"""The answer of a message, and the events of its stream. The types only; `render.py` and `frames.py` make them."""

from typing import Literal, NotRequired

from typing_extensions import TypeAliasType, TypedDict

from api.anthropic.dialect import AnthropicError

Tier = Literal["standard", "priority", "batch"]
StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "model_context_window_exceeded"]


class AnswerText(TypedDict):
    type: Literal["text"]
    text: str
    citations: None


class AnswerThinking(TypedDict):
    """`signature` has to come back with the block; where `thinking` is left out, it holds it."""

    type: Literal["thinking"]
    thinking: str
    signature: str


class AnswerToolUse(TypedDict):
    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, object]


AnswerBlock = TypeAliasType("AnswerBlock", AnswerText | AnswerThinking | AnswerToolUse)


class ThinkingTokens(TypedDict):
    thinking_tokens: int


class DeltaUsage(TypedDict):
    """The prompt has the tokens of all three `input` fields; those of `cache_read` were not read anew."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    output_tokens_details: NotRequired[ThinkingTokens]


class MessageUsage(DeltaUsage):
    """`service_tier` is `batch` for what may wait."""

    service_tier: Tier


class AnthropicMessage(TypedDict):
    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[AnswerBlock]
    stop_reason: StopReason | None
    stop_sequence: str | None
    usage: MessageUsage


class MessageStart(TypedDict):
    type: Literal["message_start"]
    message: AnthropicMessage


class BlockStart(TypedDict):
    type: Literal["content_block_start"]
    index: int
    content_block: AnswerBlock


class TextDelta(TypedDict):
    type: Literal["text_delta"]
    text: str


class ThinkingDelta(TypedDict):
    type: Literal["thinking_delta"]
    thinking: str


class SignatureDelta(TypedDict):
    type: Literal["signature_delta"]
    signature: str


class InputJsonDelta(TypedDict):
    """A piece of the JSON text of a call's input."""

    type: Literal["input_json_delta"]
    partial_json: str


class BlockDelta(TypedDict):
    type: Literal["content_block_delta"]
    index: int
    delta: TextDelta | ThinkingDelta | SignatureDelta | InputJsonDelta


class BlockStop(TypedDict):
    type: Literal["content_block_stop"]
    index: int


class StopDelta(TypedDict):
    stop_reason: StopReason
    stop_sequence: str | None


class MessageDelta(TypedDict):
    type: Literal["message_delta"]
    delta: StopDelta
    usage: DeltaUsage


class MessageStop(TypedDict):
    type: Literal["message_stop"]


class Ping(TypedDict):
    type: Literal["ping"]


MessageEvent = TypeAliasType(
    "MessageEvent",
    MessageStart | BlockStart | BlockDelta | BlockStop | MessageDelta | MessageStop | Ping | AnthropicError,
)


class TokenCount(TypedDict):
    input_tokens: int
