"""Tools that a model may call, in Anthropic's shape, and the client's word on whether it must."""

from collections.abc import Collection, Sequence
from typing import Annotated, Literal

import orjson
from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from api.http.bodies.fields import RequestModel
from api.http.bodies.nesting import not_deeper_than
from api.inputs.functions import DEEPEST_SCHEMA
from config.values import JsonObject
from jobs.payloads import ForcedFunction

_TEXT = {"type": "string"}
_LINES = {"type": "array", "items": {"type": "integer"}}
#: How the types of hosted tools begin that search among deferred tools.
_SEARCH = "tool_search_tool"
_FILES = ("create", "str_replace", "insert")


def _commands(names: Sequence[str], more: JsonObject) -> JsonObject:
    return {
        "type": "object",
        "properties": {
            "command": {"type": "string", "enum": ["view", *names]},
            "path": _TEXT,
            "view_range": _LINES,
            "file_text": _TEXT,
            "old_str": _TEXT,
            "new_str": _TEXT,
            "insert_line": {"type": "integer"},
            "insert_text": _TEXT,
            **more,
        },
        "required": ["command"],
    }


#: Tools without a schema that the client runs, by the beginning of their types: Anthropic's models know them.
_CLIENTS: dict[str, tuple[str, JsonObject]] = {
    "bash_": (
        "Run a command in a bash session that persists.",
        {
            "type": "object",
            "properties": {"command": _TEXT, "restart": {"type": "boolean"}},
        },
    ),
    "text_editor_": ("View, create and edit text files.", _commands(_FILES, {})),
    "memory_": (
        "View and edit the files of a memory folder.",
        _commands([*_FILES, "delete", "rename"], {"old_path": _TEXT, "new_path": _TEXT}),
    ),
}


class AnthropicTool(RequestModel):
    """A function; or a tool that Anthropic's models know by its type, with no schema of its own."""

    name: str = Field(default="", pattern=r"^[a-zA-Z0-9_-]{0,128}$")
    type: str = "custom"
    description: str | None = None
    input_schema: dict[str, object] | None = None
    strict: bool | None = None
    defer_loading: bool | None = None
    input_examples: list[dict[str, object]] | None = None

    @field_validator("input_examples")
    @classmethod
    def _not_too_deep(cls, value: list[dict[str, object]] | None) -> list[dict[str, object]] | None:
        not_deeper_than(DEEPEST_SCHEMA, value)
        return value

    @field_validator("input_schema")
    @classmethod
    def _an_objects_schema(cls, value: dict[str, object] | None) -> dict[str, object] | None:
        if value is not None and value.get("type", "object") != "object":
            raise PydanticCustomError("not_an_object", "must be a JSON schema of the type 'object'")
        not_deeper_than(DEEPEST_SCHEMA, value)
        return {"type": "object", **value} if value is not None else None

    @model_validator(mode="after")
    def _whole(self) -> "AnthropicTool":
        if self.is_function and (not self.name or self.input_schema is None):
            missing = "input_schema" if self.name else "name"
            raise PydanticCustomError("missing_field", "needs '{field}'", {"field": missing})
        return self

    @property
    def is_function(self) -> bool:
        return self.type == "custom"

    @property
    def is_hosted(self) -> bool:
        """Whether only Anthropic's servers can run it."""
        return not self.is_function and self._known is None

    @property
    def parameters(self) -> JsonObject:
        known = self._known
        return known[1] if known is not None else self.input_schema or {}

    def plain(self) -> dict[str, object]:
        """The tool in OpenAI's shape, as chat templates take it: the same text as of a chat's tool."""
        known = self._known
        description = self.description or (known[0] if known is not None else "")
        if self.input_examples:
            examples = "\n".join(orjson.dumps(each).decode() for each in self.input_examples)
            description = f"{description}\n\nExamples of its input:\n{examples}".lstrip()
        function: dict[str, object] = {"name": self.name}
        if description:
            function["description"] = description
        function["parameters"] = self.parameters
        if self.strict:
            function["strict"] = True
        return {"type": "function", "function": function}

    @property
    def _known(self) -> tuple[str, JsonObject] | None:
        if self.is_function or not self.name:
            return None
        return next((known for start, known in _CLIENTS.items() if self.type.startswith(start)), None)


def offered(tools: Sequence[AnthropicTool], found: Collection[str]) -> list[AnthropicTool]:
    """The tools that the model is told of. A deferred one is when it was found, or at once where a hosted tool is to
    search for it.
    """
    searched = any(tool.type.startswith(_SEARCH) for tool in tools)
    return [
        tool
        for tool in tools
        if not tool.is_hosted and (not tool.defer_loading or searched or tool.name in found)
    ]


class AutoChoice(RequestModel):
    type: Literal["auto"]
    disable_parallel_tool_use: bool | None = None


class AnyChoice(RequestModel):
    type: Literal["any"]
    disable_parallel_tool_use: bool | None = None


class NamedChoice(RequestModel):
    type: Literal["tool"]
    name: Annotated[str, Field(min_length=1)]
    disable_parallel_tool_use: bool | None = None


class NoChoice(RequestModel):
    type: Literal["none"]


ToolChoice = Annotated[AutoChoice | AnyChoice | NamedChoice | NoChoice, Field(discriminator="type")]


def held(choice: ToolChoice | None) -> Literal["required"] | ForcedFunction | None:
    """What the model is held to."""
    match choice:
        case AnyChoice():
            return "required"
        case NamedChoice(name=name):
            return ForcedFunction(name)
        case _:
            return None


def one_call(choice: ToolChoice | None) -> bool:
    """Whether the model may make one call only."""
    return bool(getattr(choice, "disable_parallel_tool_use", None))
