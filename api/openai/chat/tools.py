"""Tools that a model may call, and the client's word on whether it must."""

import contextlib
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from api.http.bodies.fields import RequestModel
from api.inputs.functions import FunctionTool
from jobs.payloads import ForcedFunction


class Tool(RequestModel):
    """A function in OpenAI's shape."""

    type: Literal["function"]
    function: FunctionTool

    def plain(self) -> dict[str, object]:
        return self.model_dump(exclude_none=True)


class NamedFunction(RequestModel):
    name: str


class NamedTool(RequestModel):
    type: Literal["function"]
    function: NamedFunction


class AllowedTools(RequestModel):
    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedTool], Field(min_length=1)]


class AllowedChoice(RequestModel):
    """Some of the tools only."""

    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


def _read_choice(value: Any) -> Any:
    if value is None or value in ("none", "auto", "required"):
        return value
    with contextlib.suppress(ValidationError):
        if _kind(value) == "function":
            return NamedTool.model_validate(value)
        if _kind(value) == "allowed_tools":
            return AllowedChoice.model_validate(value)
    raise PydanticCustomError(
        "choice",
        "must be 'none', 'auto', 'required', "
        '{"type": "function", "function": {"name": …}} or OpenAI\'s allowed_tools',
    )


def _kind(value: Any) -> Any:
    return value.get("type") if isinstance(value, dict) else None


ToolChoice = Annotated[
    Literal["none", "auto", "required"] | NamedTool | AllowedChoice, BeforeValidator(_read_choice)
]


def _read_function_choice(value: Any) -> Any:
    if value in ("none", "auto"):
        return value
    with contextlib.suppress(ValidationError):
        return NamedFunction.model_validate(value)
    raise PydanticCustomError("choice", "must be 'none', 'auto' or {\"name\": …}")


#: The choice among `functions`, as it was written before there were tools.
FunctionChoice = Annotated[Literal["none", "auto"] | NamedFunction, BeforeValidator(_read_function_choice)]


def chosen(
    tools: list[Tool], choice: ToolChoice | None
) -> tuple[list[Tool], Literal["required"] | ForcedFunction | None]:
    """The tools that the model gets, and what it is held to."""
    match choice:
        case "none":
            return [], None
        case "required":
            return tools, "required"
        case NamedTool():
            return tools, ForcedFunction(choice.function.name)
        case AllowedChoice():
            names = {tool.function.name for tool in choice.allowed_tools.tools}
            allowed = [tool for tool in tools if tool.function.name in names]
            return allowed, "required" if choice.allowed_tools.mode == "required" else None
        case _:
            return tools, None


def named_by(choice: ToolChoice | None) -> list[str]:
    """The functions that a choice names."""
    match choice:
        case NamedTool():
            return [choice.function.name]
        case AllowedChoice():
            return [tool.function.name for tool in choice.allowed_tools.tools]
        case _:
            return []


def demands(choice: ToolChoice | None) -> bool:
    """Whether the model must call a tool."""
    if isinstance(choice, AllowedChoice):
        return choice.allowed_tools.mode == "required"
    return choice == "required" or isinstance(choice, NamedTool)
