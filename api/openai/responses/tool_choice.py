"""Which of its tools a model may or must call: the forms in which Responses say that."""

from typing import Annotated, Any, Literal

import msgspec
from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.http.bodies.fields import RequestModel
from api.openai.responses.tools import Offer, Offers
from jobs.errors import InvalidRequest
from jobs.payloads import ForcedFunction


class ChosenTool(RequestModel):
    """One tool; those that OpenAI names itself have no `name`."""

    type: str = Field(min_length=1, max_length=64)
    name: str | None = Field(default=None, min_length=1)
    namespace: str | None = None


class AllowedTools(RequestModel):
    """Some of the tools only."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Annotated[list[ChosenTool], Field(min_length=1)]


def _read(value: Any) -> Any:
    if value in ("none", "auto", "required"):
        return value
    kind = value.get("type") if isinstance(value, dict) else None
    try:
        if kind == "allowed_tools":
            return AllowedTools.model_validate(value)
        if isinstance(kind, str):
            chosen = ChosenTool.model_validate(value)
            if chosen.name is not None or kind not in ("function", "custom"):
                return chosen
    except ValidationError:
        pass
    raise PydanticCustomError(
        "choice",
        "must be 'none', 'auto', 'required', "
        '{"type": "function" or "custom", "name": …} or {"type": "allowed_tools", "mode": …, "tools": […]}',
    )


_SCHEMA = {
    "anyOf": [
        {"type": "string", "enum": ["none", "auto", "required"]},
        {
            "type": "object",
            "properties": {
                "type": {"type": "string"},
                "name": {"type": "string"},
                "mode": {"type": "string", "enum": ["auto", "required"]},
                "tools": {"type": "array", "items": {"type": "object"}},
            },
            "required": ["type"],
        },
    ]
}

ToolChoice = Annotated[
    Literal["none", "auto", "required"] | ChosenTool | AllowedTools,
    BeforeValidator(_read),
    WithJsonSchema(_SCHEMA),
]


class Chosen(msgspec.Struct, frozen=True):
    """The tools that the model gets, and what it is held to. `unserved`: a tool that was chosen and left out."""

    offers: list[Offer]
    held: Literal["required"] | ForcedFunction | None = None
    unserved: str | None = None


def choose(offers: Offers, choice: ToolChoice | None) -> Chosen:
    """Raises InvalidRequest where a choice names a function that is not there, or there is none to choose from."""
    match choice:
        case "none":
            return Chosen([])
        case "required":
            if not len(offers) and not offers.unserved:
                raise _wrong("needs tools to choose from")
            return Chosen(list(offers), "required" if len(offers) else None)
        case ChosenTool():
            found = _named(offers, choice)
            if found is None:
                return Chosen(list(offers), unserved=choice.type)
            return Chosen(list(offers), ForcedFunction(found.function.name))
        case AllowedTools():
            # Who names a tool twice is offered it once.
            allowed = {
                found.function.name: found
                for each in choice.tools
                if (found := _named(offers, each)) is not None
            }
            held: Literal["required"] | None = "required" if choice.mode == "required" and allowed else None
            return Chosen(list(allowed.values()), held)
        case _:
            return Chosen(list(offers))


def _named(offers: Offers, named: ChosenTool) -> Offer | None:
    """None for a tool that only OpenAI's servers have."""
    found = offers.find(named.type, named.name or named.type, named.namespace)
    if found is None and named.type in ("function", "custom"):
        raise _wrong(f"names '{(named.name or '')[:64]}', which is not among the tools")
    return found


def _wrong(reason: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid 'tool_choice': {reason}.", param="tool_choice", code="invalid_value")
