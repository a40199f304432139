"""Tools of a request: what the model is offered for each, and how its calls are given back.

A model is only ever offered functions. A custom tool is a function with one text; functions of a namespace get names
that are unique among all; a tool that the client runs itself (`local_shell`, `shell`, `apply_patch`, `tool_search`)
is a function with the arguments that its items have. Tools that only OpenAI's servers have are left out.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, cast

import msgspec
from pydantic import Discriminator, Field, Tag, field_validator

from api.http.bodies.fields import RequestModel
from api.http.bodies.nesting import not_deeper_than
from api.inputs.functions import DEEPEST_SCHEMA, FunctionTool, Name
from api.openai.responses.client_tools import CLIENT_TOOLS

#: Letters of a function's name.
_LONGEST = 64
_OTHER = re.compile(r"[^a-zA-Z0-9_-]")

ToolKind = Literal["function", "custom", "local_shell", "shell", "apply_patch", "tool_search"]


class FunctionParam(FunctionTool):
    """A function, flat as Responses have it."""

    type: Literal["function"]

    def plain(self) -> FunctionTool:
        return FunctionTool.model_construct(
            name=self.name, description=self.description, parameters=self.parameters, strict=self.strict
        )


class TextFormat(RequestModel):
    type: Literal["text"]


class GrammarFormat(RequestModel):
    """A grammar that the text has to match."""

    type: Literal["grammar"]
    syntax: Literal["lark", "regex"]
    definition: str = Field(min_length=1)


class CustomParam(RequestModel):
    """A tool whose input is a text."""

    type: Literal["custom"]
    name: Name
    description: str | None = None
    format: Annotated[TextFormat | GrammarFormat, Field(discriminator="type")] | None = None

    def plain(self) -> FunctionTool:
        text: dict[str, object] = {"type": "string"}
        words = [self.description or ""]
        regex = None
        if isinstance(self.format, GrammarFormat):
            if self.format.syntax == "regex":
                regex = text["pattern"] = f"^(?:{self.format.definition})$"
            words.append(f"The input matches this {self.format.syntax} grammar:\n{self.format.definition}")
        return FunctionTool.model_construct(
            name=self.name,
            description="\n\n".join(filter(None, words)) or None,
            parameters={
                "type": "object",
                "properties": {"input": text},
                "required": ["input"],
                "additionalProperties": False,
            },
            strict=True if regex else None,
        )


class NamespaceParam(RequestModel):
    """Functions and custom tools with a name in common."""

    type: Literal["namespace"]
    name: str = Field(min_length=1, max_length=_LONGEST)
    description: str | None = None
    tools: list[Annotated[FunctionParam | CustomParam, Field(discriminator="type")]]


class Environment(RequestModel):
    """Where a shell runs."""

    type: str


class OtherParam(RequestModel):
    """Any other tool: one that the client runs, or one that only OpenAI's servers have."""

    type: str = Field(min_length=1, max_length=64)
    execution: str | None = None
    environment: Environment | None = None
    description: str | None = None
    parameters: dict[str, object] | None = None

    @field_validator("parameters")
    @classmethod
    def _not_too_deep(cls, value: dict[str, object] | None) -> dict[str, object] | None:
        not_deeper_than(DEEPEST_SCHEMA, value)
        return value

    @property
    def function(self) -> FunctionTool | None:
        """What stands for it where the client runs it."""
        function = CLIENT_TOOLS.get(self.type)
        if function is None or (self.type == "tool_search" and self.execution != "client"):
            return None
        if self.type == "shell" and self.environment is not None and self.environment.type != "local":
            return None
        said = {"description": self.description, "parameters": self.parameters}
        return function.model_copy(update={key: each for key, each in said.items() if each})


def _kind(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if kind in ("function", "custom", "namespace") else "other"


ToolParam = Annotated[
    Annotated[FunctionParam, Tag("function")]
    | Annotated[CustomParam, Tag("custom")]
    | Annotated[NamespaceParam, Tag("namespace")]
    | Annotated[OtherParam, Tag("other")],
    Discriminator(_kind),
]


class Called(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a function that was offered to the model is to the client."""

    kind: ToolKind
    name: str
    namespace: str | None = None


class Offer(msgspec.Struct, frozen=True):
    """A function that the model is offered, and what it is to the client. `param`: where it stands in the request.

    `lark`: the grammar that the text of a custom tool has to match.
    """

    function: FunctionTool
    called: Called
    param: str
    lark: str | None = None

    def plain(self) -> dict[str, object]:
        """In the shape of chats, which templates know."""
        return {"type": "function", "function": self.function.model_dump(exclude_none=True)}


class Offers:
    """All that the model is offered. `unserved`: types of tools that are left out."""

    def __init__(self, tools: Iterable[tuple[str, "ToolParam"]]) -> None:
        """`tools`: each with its place in the request."""
        self._offers: dict[str, Offer] = {}
        #: the same by what a client calls them: kind and name
        self._called: dict[tuple[str, str], dict[str | None, Offer]] = {}
        self.unserved: dict[str, None] = {}
        for param, tool in tools:
            match tool:
                case NamespaceParam():
                    for place, inner in enumerate(tool.tools):
                        self._add(inner, f"{param}.tools[{place}]", tool.name)
                case FunctionParam() | CustomParam():
                    self._add(tool, param)
                case OtherParam(function=FunctionTool() as function):
                    self._put(Offer(function, Called(cast(ToolKind, tool.type), tool.type), param))
                case _:
                    self.unserved[tool.type] = None

    def _add(self, tool: FunctionParam | CustomParam, param: str, namespace: str | None = None) -> None:
        function = tool.plain()
        called = Called(tool.type, tool.name, namespace)
        if namespace is not None:
            function = function.model_copy(update={"name": flat_name(namespace, tool.name)})
        grammar = tool.format if isinstance(tool, CustomParam) else None
        lark = None
        if isinstance(grammar, GrammarFormat) and grammar.syntax == "lark":
            lark = grammar.definition
        self._put(Offer(function, called, param, lark))

    def _put(self, offer: Offer) -> None:
        """A later tool of the same name takes the place of an earlier one, as a client adds tools on its way."""
        earlier, called = self._offers.get(offer.function.name), offer.called
        if earlier is not None:
            self._called[earlier.called.kind, earlier.called.name].pop(earlier.called.namespace, None)
        self._offers[offer.function.name] = offer
        self._called.setdefault((called.kind, called.name), {})[called.namespace] = offer

    def __len__(self) -> int:
        return len(self._offers)

    def __iter__(self) -> Iterator[Offer]:
        return iter(self._offers.values())

    def find(self, kind: str, name: str, namespace: str | None = None) -> Offer | None:
        """The tool that a client calls so; without a namespace, also the only one of that name in any."""
        found = self._called.get((kind, name), {})
        if namespace is None and None not in found and len(found) == 1:
            return next(iter(found.values()))
        return found.get(namespace)

    @property
    def special(self) -> dict[str, Called]:
        """What is not given back as it was offered, by the names that the model knows."""
        return {
            each.function.name: each.called
            for each in self
            if each.called.kind != "function" or each.called.namespace is not None
        }


def flat_name(namespace: str | None, name: str) -> str:
    """The name that the model knows a tool of a namespace by."""
    if namespace is None:
        return name
    flat = _OTHER.sub("_", f"{namespace}__{name}")
    if len(flat) <= _LONGEST:
        return flat
    return f"{flat[: _LONGEST - 9]}_{hashlib.sha256(flat.encode()).hexdigest()[:8]}"
