"""The events of a response's stream. The types only; `frames.py` writes them."""

from typing import Literal, NotRequired

from typing_extensions import TypeAliasType, TypedDict

from api.openai.responses.answer import OutputText, ReasoningText, Response, ResponseOutputItem, SummaryText


class LikelyPiece(TypedDict):
    token: str
    logprob: float


class PieceLog(TypedDict):
    token: str
    logprob: float
    top_logprobs: list[LikelyPiece]


class StateEvent(TypedDict):
    """`response.in_progress` comes again while nothing else does, with the number of the last event."""

    type: Literal[
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.completed",
        "response.incomplete",
        "response.failed",
    ]
    sequence_number: int
    response: Response


class ItemEvent(TypedDict):
    type: Literal["response.output_item.added", "response.output_item.done"]
    sequence_number: int
    output_index: int
    item: ResponseOutputItem


class PartEvent(TypedDict):
    type: Literal["response.content_part.added", "response.content_part.done"]
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    part: OutputText | ReasoningText


class TextEvent(TypedDict):
    """A piece (`delta`), or the whole text."""

    type: Literal[
        "response.output_text.delta",
        "response.output_text.done",
        "response.reasoning_text.delta",
        "response.reasoning_text.done",
    ]
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    delta: NotRequired[str]
    text: NotRequired[str]
    logprobs: NotRequired[list[PieceLog]]


class SummaryPartEvent(TypedDict):
    type: Literal["response.reasoning_summary_part.added", "response.reasoning_summary_part.done"]
    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    part: SummaryText


class SummaryTextEvent(TypedDict):
    type: Literal["response.reasoning_summary_text.delta", "response.reasoning_summary_text.done"]
    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    delta: NotRequired[str]
    text: NotRequired[str]


class CallEvent(TypedDict):
    """A piece of a call's arguments or input, or the whole."""

    type: Literal[
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.custom_tool_call_input.delta",
        "response.custom_tool_call_input.done",
    ]
    sequence_number: int
    item_id: str
    output_index: int
    delta: NotRequired[str]
    name: NotRequired[str]
    arguments: NotRequired[str]
    input: NotRequired[str]


class BrokenEvent(TypedDict):
    """The stream ends before the response has; the response can be asked for."""

    type: Literal["error"]
    sequence_number: int
    code: str | None
    message: str
    param: str | None


ResponseEvent = TypeAliasType(
    "ResponseEvent",
    StateEvent
    | ItemEvent
    | PartEvent
    | TextEvent
    | SummaryPartEvent
    | SummaryTextEvent
    | CallEvent
    | BrokenEvent,
)
