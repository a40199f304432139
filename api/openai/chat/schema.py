"""`POST /v1/chat/completions`: the request with OpenAI's ranges and what local servers add to it."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from api.http.bodies.fields import MAX_COUNT
from api.http.bodies.nesting import not_deeper_than
from api.inputs.functions import FunctionTool, distinct
from api.inputs.grammar import Wanted
from api.openai.chat.messages import Message, plain_messages
from api.openai.chat.response_format import ResponseFormat
from api.openai.chat.tools import (
    FunctionChoice,
    NamedFunction,
    NamedTool,
    Tool,
    ToolChoice,
    chosen,
    demands,
    named_by,
)
from api.openai.sampling import Effort, Sampling, Verbosity, known_effort, verbose
from jobs.payloads import ChatPayload, ForcedFunction, Grammar

#: Fields that clients send and that have no meaning for a model on the own machine.
HARMLESS = frozenset(
    {
        "metadata",
        "prediction",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "user",
    }
)

#: Levels of objects and lists that a value of the client's own may have.
_DEEPEST = 32


#: -1 means without a bound, as it does for LM Studio.
Bound = Annotated[int, Field(ge=-1, le=MAX_COUNT)]


class ChatRequest(Sampling):
    """A chat to complete."""

    harmless = HARMLESS

    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None

    max_completion_tokens: Bound | None = None
    max_tokens: Bound | None = None
    n: Annotated[int, Field(ge=1, le=8)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    reasoning_effort: Effort | None = None
    enable_thinking: bool | None = None
    chat_template_kwargs: dict[str, object] | None = None

    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None

    #: what these were before there were tools
    functions: Annotated[list[FunctionTool], Field(max_length=128)] | None = None
    function_call: FunctionChoice | None = None

    adapters: Annotated[str, Field(min_length=1)] | None = None
    draft_model: Annotated[str, Field(min_length=1)] | None = None

    modalities: list[Literal["text", "audio"]] | None = None
    audio: dict[str, object] | None = None
    store: bool | None = None
    verbosity: Verbosity | None = None

    @field_validator("continue_final_message")
    @classmethod
    def _only_an_assistants(cls, value: bool | None, info: ValidationInfo) -> bool | None:
        if not value:
            return value
        if info.data.get("add_generation_prompt"):
            raise PydanticCustomError("alone", "does not go together with add_generation_prompt")
        if (messages := info.data.get("messages")) and messages[-1].role != "assistant":
            raise PydanticCustomError("alone", "needs a last message of the role 'assistant'")
        return value

    @field_validator("top_logprobs")
    @classmethod
    def _only_with_logprobs(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and not info.data.get("logprobs"):
            raise PydanticCustomError("alone", "needs logprobs to be true")
        return value

    @field_validator("chat_template_kwargs")
    @classmethod
    def _not_too_deep(cls, value: dict[str, object] | None) -> dict[str, object] | None:
        not_deeper_than(_DEEPEST, value)
        return value

    @field_validator("tools")
    @classmethod
    def _distinct(cls, value: list[Tool] | None) -> list[Tool] | None:
        if not value:
            return value
        return [Tool(type="function", function=each) for each in distinct([tool.function for tool in value])]

    @field_validator("functions")
    @classmethod
    def _distinct_functions(cls, value: list[FunctionTool] | None) -> list[FunctionTool] | None:
        return distinct(value) if value else value

    @field_validator("function_call")
    @classmethod
    def _of_the_functions(cls, value: FunctionChoice | None, info: ValidationInfo) -> FunctionChoice | None:
        if isinstance(value, NamedFunction):
            there = {function.name for function in info.data.get("functions") or ()}
            _among(there, [value.name], "functions")
        return value

    @field_validator("tool_choice")
    @classmethod
    def _of_the_tools(cls, value: ToolChoice | None, info: ValidationInfo) -> ToolChoice | None:
        if value in (None, "none", "auto"):
            return value
        _among({tool.function.name for tool in info.data.get("tools") or ()}, named_by(value), "tools")
        return value

    @field_validator("draft_model")
    @classmethod
    def _guesses_only_freely(cls, value: str | None, info: ValidationInfo) -> str | None:
        said = info.data
        wanted, tools = said.get("response_format"), said.get("tools") or ()
        held = (
            bool(wanted and wanted.enforced)
            or demands(said.get("tool_choice"))
            or isinstance(said.get("function_call"), NamedFunction)
            or any(tool.function.strict for tool in tools)
        )
        if value is not None and (held or said.get("logprobs")):
            raise PydanticCustomError(
                "not_supported",
                "does not go together with structured output, enforced tools or logprobs",
            )
        return value

    @field_validator("modalities")
    @classmethod
    def _some_text(cls, value: list[str] | None) -> list[str] | None:
        if value and "text" not in value:
            raise PydanticCustomError("not_supported", "must hold 'text': audio output is not supported")
        return value

    @property
    def legacy(self) -> bool:
        """Whether functions are called as they were before there were tools."""
        return bool(self.functions) and not self.tools

    @property
    def unheeded(self) -> list[str]:
        """What was asked for and does not count."""
        said = []
        if self.audio is not None or "audio" in (self.modalities or ()):
            said.append("no audio is made: the answer is text")
        if self.functions and self.tools:
            said.append("functions are ignored where there are tools")
        if self.store:
            said.append("chats are not stored: their jobs are kept for a while, and responses can be stored")
        return [*said, *verbose(self.verbosity)]

    @property
    def _offered(self) -> list[Tool]:
        if self.legacy:
            return [Tool(type="function", function=function) for function in self.functions or ()]
        return self.tools or []

    @property
    def _choice(self) -> ToolChoice | None:
        if not self.legacy:
            return self.tool_choice
        if isinstance(self.function_call, NamedFunction):
            return NamedTool(type="function", function=self.function_call)
        return self.function_call

    @property
    def enforced(self) -> Iterator[Wanted]:
        """Every schema that the answer will be held to."""
        if self.response_format and (schema := self.response_format.enforced):
            yield Wanted(f"response_format.{schema[0]}", schema[1])
        held = self._held_tools()
        for place, tool in enumerate(self._offered):
            parameters = tool.function.parameters
            if parameters is not None and tool.function.name in held:
                field = f"functions[{place}]" if self.legacy else f"tools[{place}].function"
                yield Wanted(f"{field}.parameters", parameters, tool.function.name)

    def _held_tools(self) -> set[str]:
        """The functions whose calls are held to their schemas."""
        tools, choice = chosen(self._offered, self._choice)
        if isinstance(choice, ForcedFunction):
            return {choice.name}
        return {tool.function.name for tool in tools if choice == "required" or tool.function.strict}

    def payload(self) -> ChatPayload:
        """The job's payload, but for what the names in it mean."""
        last = self.messages[-1]
        goes_on = bool(self.continue_final_message or (last.prefix and last.role == "assistant"))
        schema = self.response_format.enforced if self.response_format else None
        tools, choice = chosen(self._offered, self._choice)
        one_call = bool(tools) and (self.parallel_tool_calls is False or self.legacy)
        return ChatPayload(
            messages=plain_messages(self.messages),
            continue_final_message=goes_on,
            add_generation_prompt=goes_on or self.add_generation_prompt is not False,
            max_tokens=self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens,
            enable_thinking=self.enable_thinking,
            reasoning_effort=known_effort(self.reasoning_effort),
            chat_template_kwargs=self.chat_template_kwargs,
            n=self.n or 1,
            logprobs=(self.top_logprobs or 0) if self.logprobs else None,
            grammar=Grammar(schema[1]) if schema else None,
            tools=[tool.plain() for tool in tools] or None,
            tool_choice=choice if tools else None,
            parallel_tool_calls=False if one_call else None,
            **self.sampling(),
        )


def _among(there: set[str], named: list[str], field: str) -> None:
    """Raises pydantic's error unless all that a choice names is there."""
    if not there:
        raise PydanticCustomError("alone", f"needs {field} to choose from")
    missing = next((name for name in named if name not in there), None)
    if missing is not None:
        raise PydanticCustomError(
            "unknown", f"names '{{name}}', which is not among the {field}", {"name": missing}
        )
