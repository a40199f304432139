"""`POST /v1/messages`: the request."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import structs
from pydantic import Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from api.anthropic.dialect import UnsupportedFeature
from api.anthropic.messages.blocks import (
    TEXT_OR_BLOCKS,
    InputMessage,
    TextBlock,
    ToolUseBlock,
    cites,
    found_tools,
)
from api.anthropic.messages.history import plain_messages
from api.anthropic.messages.tools import (
    AnthropicTool,
    NamedChoice,
    NoChoice,
    ToolChoice,
    held,
    offered,
    one_call,
)
from api.http.bodies.fields import CountOrNone, KeepAlive, Probability, RequestModel, Seed
from api.http.bodies.nesting import not_deeper_than
from api.http.job_options.service_class import Ranked
from api.inputs.answer_schema import without_switches
from api.inputs.functions import DEEPEST_SCHEMA
from api.inputs.grammar import Wanted
from api.openai.sampling import SMALLEST_TOP_P, Effort, StopText, known_effort
from jobs.payloads import ChatPayload, ForcedFunction, Grammar

#: Fields that have no meaning for a model on the own machine.
HARMLESS = frozenset(
    {
        "anthropic_beta",
        "betas",
        "cache_control",
        "inference_geo",
        "metadata",
        "safeguards",
        "speed",
        "user_profile_id",
    }
)


class OutputFormat(RequestModel):
    type: Literal["json_schema"]
    schema_: dict[str, object] = Field(alias="schema")

    @field_validator("schema_")
    @classmethod
    def _not_too_deep(cls, value: dict[str, object]) -> dict[str, object]:
        not_deeper_than(DEEPEST_SCHEMA, value)
        return value


class OutputConfig(RequestModel):
    effort: Effort | None = None
    format: OutputFormat | None = None


class Thinking(RequestModel):
    """`budget_tokens` is accepted: a model here thinks as long as it does, within max_tokens."""

    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: CountOrNone | None = None
    display: str | None = None


class Conversation(Ranked):
    """What is read before an answer: of a message, and of a count of its tokens."""

    harmless = HARMLESS

    model: str
    messages: Annotated[list[InputMessage], Field(min_length=1, max_length=100_000)]
    system: (
        Annotated[Annotated[str, Tag("string")] | Annotated[list[TextBlock], Tag("blocks")], TEXT_OR_BLOCKS]
        | None
    ) = None
    tools: Annotated[list[AnthropicTool], Field(max_length=1_024)] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    thread: dict[str, object] | None = None
    keep_alive: KeepAlive | None = None

    @field_validator("tools")
    @classmethod
    def _distinct(cls, value: list[AnthropicTool] | None) -> list[AnthropicTool] | None:
        names = [tool.name for tool in value or () if tool.name]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise PydanticCustomError("twice", "must not hold two tools named '{name}'", {"name": twice})
        return value

    @field_validator("tool_choice")
    @classmethod
    def _among_the_tools(cls, value: ToolChoice | None, info: ValidationInfo) -> ToolChoice | None:
        tools, messages = info.data.get("tools") or (), info.data.get("messages") or ()
        names = {tool.name for tool in offered(tools, found_tools(messages))}
        if held(value) is not None and not names:
            raise PydanticCustomError("alone", "needs tools to choose from")
        if isinstance(value, NamedChoice) and value.name not in names:
            raise PydanticCustomError(
                "unknown", "names '{name}', which is not among the tools", {"name": value.name}
            )
        return value

    @model_validator(mode="after")
    def _answers_something(self) -> "Conversation":
        content = self.messages[-1].content
        if isinstance(content, list) and any(isinstance(block, ToolUseBlock) for block in content):
            raise PydanticCustomError(
                "unanswered",
                "The last message calls tools: their tool_result blocks must follow",
                {"param": "messages"},
            )
        return self

    def check(self) -> None:
        """Raises UnsupportedFeature for a conversation that this server would have to hold."""
        if self.thread is not None:
            raise UnsupportedFeature("thread", "thread_unsupported_request")

    @property
    def thinks(self) -> bool | None:
        """Whether the model is to think. None: as it does."""
        if self.thinking is None or self.thinking.type == "disabled":
            return False
        return True if self.thinking.type == "enabled" else None

    @property
    def unheeded(self) -> Iterator[str]:
        """What was asked for and does not count."""
        if dropped := [tool.type for tool in self.tools or () if tool.is_hosted]:
            yield f"hosted tools are not offered here: {', '.join(dropped)}"
        if cites(self.messages):
            yield "answers have no citations"

    @property
    def _offered(self) -> list[AnthropicTool]:
        return offered(self.tools or (), found_tools(self.messages))

    @property
    def enforced(self) -> Iterator[Wanted]:
        """Every schema that the answer will be held to."""
        if (schema := self._schema) is not None:
            yield Wanted("output_config.format.schema", schema)
        choice, names = held(self.tool_choice), {tool.name for tool in self._offered}
        for place, tool in enumerate(self.tools or ()):
            named = isinstance(choice, ForcedFunction) and choice.name == tool.name
            if tool.name in names and (named or choice == "required" or (choice is None and tool.strict)):
                yield Wanted(f"tools[{place}].input_schema", dict(tool.parameters), tool.name)

    @property
    def _schema(self) -> dict[str, object] | None:
        wanted = (self.output_config.format if self.output_config else None) or self.output_format
        return None if wanted is None else without_switches(wanted.schema_)

    def payload(self) -> ChatPayload:
        """The job's payload, but for what the names in it mean."""
        schema = self._schema
        tools = [] if isinstance(self.tool_choice, NoChoice) else self._offered
        goes_on = self.messages[-1].role == "assistant"
        return ChatPayload(
            messages=plain_messages(self.system, self.messages),
            continue_final_message=goes_on,
            enable_thinking=self.thinks,
            reasoning_effort=known_effort(self.output_config.effort) if self.output_config else None,
            grammar=Grammar(schema) if schema is not None else None,
            tools=[tool.plain() for tool in tools] or None,
            tool_choice=held(self.tool_choice) if tools else None,
            parallel_tool_calls=False if tools and one_call(self.tool_choice) else None,
            keep_alive=self.keep_alive,
        )


class MessagesRequest(Conversation):
    """A message to answer. `max_tokens` 0 reads the prompt into the cache, and answers nothing."""

    max_tokens: CountOrNone
    stop_sequences: Annotated[list[StopText], Field(max_length=16)] | None = None
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Probability | None = None
    top_k: Annotated[int, Field(ge=-1, le=2**31 - 1)] | None = None
    seed: Seed | None = None
    background: bool | None = None

    @property
    def shows_thoughts(self) -> bool:
        """Whether the answer has the text of thoughts, not only their signature."""
        return self.thinking is not None and self.thinking.display != "omitted"

    def payload(self) -> ChatPayload:
        return structs.replace(
            super().payload(),
            max_tokens=max(1, self.max_tokens),
            stop=self.stop_sequences or None,
            temperature=self.temperature,
            top_p=None if self.top_p is None else max(self.top_p, SMALLEST_TOP_P),
            top_k=None if self.top_k is None else max(0, self.top_k),
            seed=self.seed,
        )
