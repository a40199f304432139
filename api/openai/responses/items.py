"""The items of a request's input, one type for each kind; what OpenAI names and this server cannot run, too.

Items have no type where they are messages, or references by id. What else an item has is kept as it was sent.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, field_validator

from api.http.bodies.fields import RequestModel
from api.http.bodies.nesting import not_deeper_than
from api.inputs.content import Content, invalid_message
from api.inputs.functions import Arguments
from api.openai.responses.tools import ToolParam

#: Levels of objects and lists that an item of another kind may have.
_DEEPEST = 64
#: Items in a request.
MOST_ITEMS = 20_000

#: Calls that the client or OpenAI's servers ran, whose results are items of their own.
CALLS = ("computer_call", "local_shell_call", "shell_call", "apply_patch_call", "tool_search_call", "program")
#: Those results.
RESULTS = (
    "computer_call_output",
    "local_shell_call_output",
    "shell_call_output",
    "apply_patch_call_output",
    "program_output",
)
#: Calls that OpenAI's servers ran, with their results.
HOSTED = ("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call")
#: Items that tell a model nothing.
SILENT = ("mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "compaction_trigger")


class MessageItem(RequestModel):
    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Content

    @field_validator("content")
    @classmethod
    def _something(cls, value: Content) -> Content:
        if value is None:
            raise invalid_message("must be a string or a list of content parts")
        return value


class FunctionCallItem(RequestModel):
    type: Literal["function_call"]
    call_id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    arguments: Arguments = ""
    namespace: str | None = None


class CustomCallItem(RequestModel):
    type: Literal["custom_tool_call"]
    call_id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    input: str
    namespace: str | None = None


class OutputItem(RequestModel):
    """What a call has led to. Without a `call_id` it belongs to the first call without a result."""

    type: Literal["function_call_output", "custom_tool_call_output"]
    call_id: str | None = None
    output: Content


class Thought(RequestModel):
    type: str | None = None
    text: str


class ReasoningItem(RequestModel):
    type: Literal["reasoning"]
    summary: list[Thought] = Field(default=[])
    content: list[Thought] | None = None
    encrypted_content: str | None = None


class ReferenceItem(RequestModel):
    """An item of an earlier response, or of this request."""

    type: Literal["item_reference"] = "item_reference"
    id: str = Field(min_length=1, max_length=200)


class ToolsItem(RequestModel):
    """Further tools, from here on; or those that a search has found."""

    type: Literal["additional_tools", "tool_search_output"]
    tools: list[ToolParam]
    call_id: str | None = None


class CompactionItem(RequestModel):
    """A conversation that was made short, as text that nobody reads but the server that wrote it."""

    type: Literal["compaction", "compaction_summary"]
    encrypted_content: str


class OtherItem(RequestModel):
    """A call that was run elsewhere, its result, or what tells a model nothing."""

    model_config = ConfigDict(extra="allow")

    type: str
    call_id: str | None = None

    @property
    def fields(self) -> Mapping[str, Any]:
        """What it has beside the fields of all items."""
        return self.model_extra or {}

    @field_validator("type")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in (*CALLS, *RESULTS, *HOSTED, *SILENT):
            raise invalid_message("is no type of an input item: '{kind}'", kind=value[:40])
        return value

    def model_post_init(self, context: Any, /) -> None:
        not_deeper_than(_DEEPEST, dict(self.fields))


#: The items that have a type of their own here.
_OWN = {
    "message",
    "function_call",
    "custom_tool_call",
    "function_call_output",
    "custom_tool_call_output",
    "reasoning",
    "item_reference",
    "additional_tools",
    "tool_search_output",
    "compaction",
    "compaction_summary",
}
_TAGS = {
    "function_call_output": "call_output",
    "custom_tool_call_output": "call_output",
    "compaction_summary": "compaction",
    "tool_search_output": "additional_tools",
}


def _kind(value: Any) -> str | None:
    if not isinstance(value, dict):
        return _TAGS.get(kind := getattr(value, "type", None) or "", kind if kind in _OWN else "other")
    kind = value.get("type")
    if kind is None:
        return "item_reference" if "role" not in value and "id" in value else "message"
    if not isinstance(kind, str):
        return "other"
    return _TAGS.get(kind, kind if kind in _OWN else "other")


InputItem = Annotated[
    Annotated[MessageItem, Tag("message")]
    | Annotated[FunctionCallItem, Tag("function_call")]
    | Annotated[CustomCallItem, Tag("custom_tool_call")]
    | Annotated[OutputItem, Tag("call_output")]
    | Annotated[ReasoningItem, Tag("reasoning")]
    | Annotated[ReferenceItem, Tag("item_reference")]
    | Annotated[ToolsItem, Tag("additional_tools")]
    | Annotated[CompactionItem, Tag("compaction")]
    | Annotated[OtherItem, Tag("other")],
    Discriminator(_kind),
]

Items = Annotated[list[InputItem], Field(max_length=MOST_ITEMS)]
