"""`POST /v1/chat/completions`: the request with OpenAI's ranges and what local servers add to it."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from api.schemas.fields import Count
from api.schemas.messages import Message, plain_messages
from api.schemas.nesting import not_deeper_than
from api.schemas.response_format import ResponseFormat
from api.schemas.sampling import Sampling
from api.schemas.tools import Tool, ToolChoice, chosen, demands, named_by, no_two_of_a_name

#: Fields that clients send and that have no meaning for a model on the own machine.
HARMLESS = frozenset(
    {
        "metadata",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
        "verbosity",
    }
)

#: Levels of objects and lists that a value of the client's own may have.
_DEEPEST = 32


class ChatRequest(Sampling):
    """A chat to complete."""

    harmless = HARMLESS

    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None

    max_completion_tokens: Count | None = None
    max_tokens: Count | None = None
    n: Annotated[int, Field(ge=1, le=8)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    enable_thinking: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None

    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None

    adapters: Annotated[str, Field(min_length=1)] | None = None
    draft_model: Annotated[str, Field(min_length=1)] | None = None

    functions: list[Any] | None = None
    function_call: Any = None
    modalities: list[Literal["text", "audio"]] | None = None
    audio: dict[str, Any] | None = None

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
    def _not_too_deep(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        not_deeper_than(_DEEPEST, value)
        return value

    @field_validator("tools")
    @classmethod
    def _distinct(cls, value: list[Tool] | None) -> list[Tool] | None:
        no_two_of_a_name(value or [])
        return value

    @field_validator("tool_choice")
    @classmethod
    def _of_the_tools(cls, value: ToolChoice | None, info: ValidationInfo) -> ToolChoice | None:
        if value in (None, "none", "auto"):
            return value
        tools = info.data.get("tools")
        if not tools:
            raise PydanticCustomError("alone", "needs tools to choose from")
        there = {tool.function.name for tool in tools}
        missing = next((name for name in named_by(value) if name not in there), None)
        if missing is not None:
            raise PydanticCustomError(
                "unknown", "names '{name}', which is not among the tools", {"name": missing}
            )
        return value

    @field_validator("draft_model")
    @classmethod
    def _guesses_only_freely(cls, value: str | None, info: ValidationInfo) -> str | None:
        said = info.data
        wanted, tools = said.get("response_format"), said.get("tools") or ()
        held = (
            bool(wanted and wanted.enforced)
            or demands(said.get("tool_choice"))
            or any(tool.function.strict for tool in tools)
        )
        if value is not None and (held or said.get("logprobs")):
            raise PydanticCustomError(
                "not_supported",
                "does not go together with structured output, enforced tools or logprobs",
            )
        return value

    @field_validator("functions", "function_call")
    @classmethod
    def _tools_instead(cls, value: Any) -> Any:
        if value not in (None, [], "none", "auto"):
            raise PydanticCustomError(
                "not_supported", "is no longer part of the API: use tools and tool_choice"
            )
        return value

    @field_validator("modalities", "audio")
    @classmethod
    def _no_audio(cls, value: Any) -> Any:
        if value not in (None, [], ["text"]):
            raise PydanticCustomError("not_supported", "audio output is not supported yet")
        return value

    @property
    def enforced(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every schema that the answer will be held to, with the field it stands in."""
        if self.response_format and (schema := self.response_format.enforced):
            yield f"response_format.{schema[0]}", schema[1]
        held = self._held_tools()
        for place, tool in enumerate(self.tools or ()):
            parameters = tool.function.parameters
            if parameters is not None and tool.function.name in held:
                yield f"tools[{place}].function.parameters", parameters

    def _held_tools(self) -> set[str]:
        """The functions whose calls are held to their schemas."""
        tools, choice = chosen(self.tools or [], self.tool_choice)
        if isinstance(choice, dict):
            return {choice["name"]}
        return {tool.function.name for tool in tools if choice == "required" or tool.function.strict}

    def payload(self) -> dict[str, Any]:
        """The job's payload, but for what the names in it mean."""
        payload: dict[str, Any] = {"messages": plain_messages(self.messages)}
        last = self.messages[-1]
        if self.continue_final_message or (last.prefix and last.role == "assistant"):
            payload["continue_final_message"] = True
        elif self.add_generation_prompt is False:
            payload["add_generation_prompt"] = False
        max_tokens = self.max_completion_tokens or self.max_tokens
        if max_tokens is not None:
            payload["max_tokens"] = max_tokens
        payload |= self.sampling()
        for name in ("enable_thinking", "reasoning_effort", "chat_template_kwargs"):
            if (value := getattr(self, name)) is not None:
                payload[name] = value
        if self.n is not None and self.n > 1:
            payload["n"] = self.n
        if self.logprobs:
            payload["logprobs"] = self.top_logprobs or 0
        if self.response_format and (schema := self.response_format.enforced):
            payload["grammar"] = {"json_schema": schema[1]}
        return payload | self._tools()

    def _tools(self) -> dict[str, Any]:
        tools, choice = chosen(self.tools or [], self.tool_choice)
        if not tools:
            return {}
        said: dict[str, Any] = {"tools": [tool.plain() for tool in tools]}
        if choice is not None:
            said["tool_choice"] = choice
        if self.parallel_tool_calls is False:
            said["parallel_tool_calls"] = False
        return said
