"""The content blocks of a message: what clients send. `history.py` makes messages for chat templates of them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from api.http.bodies.fields import RequestModel
from api.http.bodies.nesting import not_deeper_than

#: Levels of objects and lists that the input of a call may have.
_DEEPEST_INPUT = 64


class TextBlock(RequestModel):
    type: Literal["text"]
    text: str


class Base64Source(RequestModel):
    type: Literal["base64"]
    media_type: str
    data: Annotated[str, Field(min_length=1)]


class UrlSource(RequestModel):
    type: Literal["url"]
    url: Annotated[str, Field(min_length=1)]


class FileSource(RequestModel):
    """A stored file."""

    type: Literal["file"]
    file_id: Annotated[str, Field(min_length=1)]


class TextSource(RequestModel):
    type: Literal["text"]
    media_type: str = "text/plain"
    data: str


class ContentSource(RequestModel):
    """A document made of blocks."""

    type: Literal["content"]
    content: "str | list[Annotated[TextBlock | ImageBlock, Field(discriminator='type')]]"


class ImageBlock(RequestModel):
    type: Literal["image"]
    source: Annotated[Base64Source | UrlSource | FileSource, Field(discriminator="type")]


class Citations(RequestModel):
    enabled: bool | None = None


class DocumentBlock(RequestModel):
    """A text, a PDF, or blocks."""

    type: Literal["document"]
    source: Annotated[
        Base64Source | UrlSource | FileSource | TextSource | ContentSource, Field(discriminator="type")
    ]
    title: str | None = None
    context: str | None = None
    citations: Citations | None = None


class SearchResultBlock(RequestModel):
    type: Literal["search_result"]
    source: str
    title: str
    content: list[TextBlock]
    citations: Citations | None = None


class ToolReferenceBlock(RequestModel):
    """A deferred tool that a search has found."""

    type: Literal["tool_reference"]
    tool_name: str


class ThinkingBlock(RequestModel):
    type: Literal["thinking"]
    thinking: str = ""
    signature: str | None = None


class ToolUseBlock(RequestModel):
    type: Literal["tool_use"]
    id: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    input: dict[str, object] = Field(default_factory=dict)

    @field_validator("input")
    @classmethod
    def _not_too_deep(cls, value: dict[str, object]) -> dict[str, object]:
        not_deeper_than(_DEEPEST_INPUT, value)
        return value


class HostedBlock(RequestModel):
    """What a hosted tool said, or thoughts that only Anthropic can read. A model here can't use it."""

    type: str


#: Blocks that are accepted in a history and left out.
_HOSTED = frozenset(
    {
        "redacted_thinking",
        "server_tool_use",
        "mcp_tool_use",
        "container_upload",
        "browser_state",
        "compaction",
        "fallback",
    }
)
_HOSTED_RESULT = "_tool_result"


def _kind(block: object) -> str | None:
    """The tag of a block in the unions below; None for what is no block."""
    kind = block.get("type") if isinstance(block, Mapping) else getattr(block, "type", None)
    if not isinstance(kind, str):
        return None
    hosted = kind in _HOSTED or (kind.endswith(_HOSTED_RESULT) and kind != "tool_result")
    return "hosted" if hosted else kind


_BLOCK = Discriminator(
    _kind, custom_error_type="invalid_block", custom_error_message="must be a content block of a known type"
)

#: So that an error is told of the one that was meant.
TEXT_OR_BLOCKS = Discriminator(lambda value: "string" if isinstance(value, str) else "blocks")

ResultBlock = Annotated[
    Annotated[TextBlock, Tag("text")]
    | Annotated[ImageBlock, Tag("image")]
    | Annotated[DocumentBlock, Tag("document")]
    | Annotated[SearchResultBlock, Tag("search_result")]
    | Annotated[ToolReferenceBlock, Tag("tool_reference")]
    | Annotated[HostedBlock, Tag("hosted")],
    _BLOCK,
]


class ToolResultBlock(RequestModel):
    type: Literal["tool_result"]
    tool_use_id: Annotated[str, Field(min_length=1)]
    content: Annotated[
        Annotated[str, Tag("string")] | Annotated[list[ResultBlock], Tag("blocks")], TEXT_OR_BLOCKS
    ] = ""
    is_error: bool | None = None


Block = Annotated[
    Annotated[TextBlock, Tag("text")]
    | Annotated[ImageBlock, Tag("image")]
    | Annotated[DocumentBlock, Tag("document")]
    | Annotated[SearchResultBlock, Tag("search_result")]
    | Annotated[ThinkingBlock, Tag("thinking")]
    | Annotated[ToolUseBlock, Tag("tool_use")]
    | Annotated[ToolResultBlock, Tag("tool_result")]
    | Annotated[HostedBlock, Tag("hosted")],
    _BLOCK,
]


class InputMessage(RequestModel):
    """One message. Clients put messages of the role `system` among the others, too."""

    role: Literal["user", "assistant", "system"]
    content: Annotated[Annotated[str, Tag("string")] | Annotated[list[Block], Tag("blocks")], TEXT_OR_BLOCKS]

    @field_validator("content")
    @classmethod
    def _of_its_role(cls, value: str | list[Block], info: ValidationInfo) -> str | list[Block]:
        role = info.data.get("role")
        for block in value if isinstance(value, list) else ():
            if role not in _ROLES.get(type(block), (role,)):
                raise PydanticCustomError(
                    "invalid_block",
                    "can't hold a block of the type '{kind}' in a message of the role '{role}'",
                    {"kind": block.type, "role": role},
                )
        return value


def cites(messages: Iterable[InputMessage]) -> bool:
    """Whether the answer is to have citations."""
    return any(
        isinstance(block, DocumentBlock | SearchResultBlock) and block.citations and block.citations.enabled
        for block in [*_blocks(messages), *_results(messages)]
    )


def found_tools(messages: Iterable[InputMessage]) -> set[str]:
    """The deferred tools that searches of the client have found."""
    return {part.tool_name for part in _results(messages) if isinstance(part, ToolReferenceBlock)}


def _blocks(messages: Iterable[InputMessage]) -> Iterator[Block]:
    for message in messages:
        if isinstance(message.content, list):
            yield from message.content


def _results(messages: Iterable[InputMessage]) -> Iterator[ResultBlock]:
    """The blocks of results."""
    for block in _blocks(messages):
        if isinstance(block, ToolResultBlock) and isinstance(block.content, list):
            yield from block.content


#: Blocks that only these roles may have.
_ROLES: dict[type, tuple[str, ...]] = {
    ToolUseBlock: ("assistant",),
    ThinkingBlock: ("assistant",),
    ToolResultBlock: ("user",),
    ImageBlock: ("user",),
}
