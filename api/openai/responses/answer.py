"""A response and its items. The types only; `render.py` and `output.py` make them."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from api.http.job_options.service_class import ServedTier

Status = Literal["completed", "failed", "in_progress", "cancelled", "queued", "incomplete"]
ItemStatus = Literal["in_progress", "completed", "incomplete"]


class TopToken(TypedDict):
    token: str
    logprob: float
    bytes: list[int]


class TokenLog(TypedDict):
    """A token that was taken, and the likeliest in its place."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopToken]


class OutputText(TypedDict):
    type: Literal["output_text"]
    text: str
    annotations: list[object]
    logprobs: list[TokenLog]


class ResponseMessage(TypedDict):
    id: str
    type: Literal["message"]
    status: ItemStatus
    role: Literal["assistant"]
    content: list[OutputText]


class SummaryText(TypedDict):
    type: Literal["summary_text"]
    text: str


class ReasoningText(TypedDict):
    type: Literal["reasoning_text"]
    text: str


class ResponseReasoning(TypedDict):
    """The thoughts of the model: in `summary` where a summary was wanted, else in `content`."""

    id: str
    type: Literal["reasoning"]
    status: NotRequired[ItemStatus]
    summary: list[SummaryText]
    content: NotRequired[list[ReasoningText]]
    encrypted_content: NotRequired[str | None]


class ResponseFunctionCall(TypedDict):
    """`arguments` is JSON text."""

    id: str
    type: Literal["function_call"]
    status: ItemStatus
    call_id: str
    name: str
    namespace: NotRequired[str]
    arguments: str


class ResponseCustomCall(TypedDict):
    id: str
    type: Literal["custom_tool_call"]
    status: NotRequired[ItemStatus]
    call_id: str
    name: str
    namespace: NotRequired[str]
    input: str


class ResponseClientCall(TypedDict):
    """A call of a tool that OpenAI names and the client runs."""

    id: str
    type: Literal["local_shell_call", "shell_call", "apply_patch_call", "tool_search_call"]
    status: ItemStatus
    call_id: str
    action: NotRequired[dict[str, object]]
    environment: NotRequired[None]
    operation: NotRequired[dict[str, object]]
    execution: NotRequired[Literal["client"]]
    arguments: NotRequired[dict[str, object]]


ResponseOutputItem = (
    ResponseMessage | ResponseReasoning | ResponseFunctionCall | ResponseCustomCall | ResponseClientCall
)


class InputDetails(TypedDict):
    """`cached_tokens` were not read anew."""

    cached_tokens: int
    cache_write_tokens: int


class OutputDetails(TypedDict):
    reasoning_tokens: int


class ResponseUsage(TypedDict):
    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class ResponseFailure(TypedDict):
    code: str
    message: str


class Incomplete(TypedDict):
    reason: Literal["max_output_tokens", "content_filter"]


class Echo(TypedDict):
    """What a response repeats of its request."""

    background: bool
    frequency_penalty: float
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    metadata: dict[str, str]
    parallel_tool_calls: bool
    presence_penalty: float
    previous_response_id: str | None
    prompt_cache_key: str | None
    reasoning: dict[str, object]
    safety_identifier: str | None
    service_tier: ServedTier
    store: bool
    temperature: float
    text: dict[str, object]
    tool_choice: str | dict[str, object]
    tools: list[dict[str, object]]
    top_logprobs: int
    top_p: float
    truncation: Literal["auto", "disabled"]
    user: NotRequired[str]


class Response(Echo):
    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Status
    error: ResponseFailure | None
    incomplete_details: Incomplete | None
    model: str
    output: list[ResponseOutputItem]
    usage: ResponseUsage | None
