"""`POST /v1/responses`: the request with OpenAI's ranges, and what local servers add to it."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from api.http.bodies.fields import Count, RequestModel
from api.inputs.answer_schema import JsonSchema, without_switches
from api.openai.responses.items import Items
from api.openai.responses.tool_choice import ToolChoice
from api.openai.responses.tools import ToolParam
from api.openai.sampling import Effort, Sampling, Verbosity

#: Fields that clients send and that have no meaning for a model on the own machine.
HARMLESS = frozenset(
    {
        "client_metadata",
        "prompt_cache_options",
        "prompt_cache_retention",
    }
)

#: What of `include` this server has; the rest is of tools that it does not have.
SEALED, LOGPROBS = "reasoning.encrypted_content", "message.output_text.logprobs"


def _one_text_is_a_message(value: Any) -> Any:
    return [{"type": "message", "role": "user", "content": value}] if isinstance(value, str) else value


class Reasoning(RequestModel):
    """`summary`: the thoughts are wanted as a summary; they are given as they are."""

    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed", "none"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


class PlainText(RequestModel):
    type: Literal["text"]


class AnyJson(RequestModel):
    type: Literal["json_object"]


class SchemaFormat(JsonSchema):
    """JSON after a schema."""

    type: Literal["json_schema"]


class Text(RequestModel):
    format: Annotated[PlainText | AnyJson | SchemaFormat, Field(discriminator="type")] | None = None
    verbosity: Verbosity | None = None

    @property
    def enforced(self) -> dict[str, object] | None:
        """The schema of the answer; None for text."""
        match self.format:
            case SchemaFormat():
                return without_switches(self.format.schema_)
            case AnyJson():
                return {"type": "object"}
            case _:
                return None


class Asked(Sampling):
    """What a response is made of: the fields that counting its tokens takes too."""

    harmless = HARMLESS

    model: str
    input: Annotated[Items, BeforeValidator(_one_text_is_a_message)] = Field(default=[])
    instructions: str | None = None
    previous_response_id: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    conversation: str | dict[str, object] | None = None
    prompt: dict[str, object] | None = None

    tools: Annotated[list[ToolParam], Field(max_length=1024)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: Text | None = None
    reasoning: Reasoning | None = None
    truncation: Literal["auto", "disabled"] | None = None

    @field_validator("conversation")
    @classmethod
    def _no_conversations(cls, value: object) -> None:
        if value is not None:
            raise PydanticCustomError(
                "not_supported", "is not supported: use previous_response_id, or send all items"
            )

    @field_validator("prompt")
    @classmethod
    def _no_prompts(cls, value: object) -> None:
        if value is not None:
            raise PydanticCustomError("not_supported", "is not supported: no prompts are stored here")


class ResponseRequest(Asked):
    """A response to make."""

    max_output_tokens: Count | None = None
    max_tool_calls: Count | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    include: list[str] | None = None
    store: bool | None = None
    metadata: Annotated[dict[str, str], Field(max_length=16)] | None = None
    safety_identifier: str | None = None
    user: str | None = None
    enable_thinking: bool | None = None
    chat_template_kwargs: dict[str, object] | None = None

    @field_validator("metadata")
    @classmethod
    def _short(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        if any(len(key) > 64 or len(text) > 512 for key, text in (value or {}).items()):
            raise PydanticCustomError(
                "too_long", "must have keys of at most 64 and values of at most 512 characters"
            )
        return value

    @property
    def stored(self) -> bool:
        return self.store is not False

    @property
    def logprobs(self) -> int | None:
        """How many alternatives are wanted for each token; None: no log-probabilities."""
        if LOGPROBS in (self.include or ()) or self.top_logprobs:
            return self.top_logprobs or 0
        return None

    @property
    def summarised(self) -> bool:
        """Whether thoughts are wanted as summaries."""
        wanted = self.reasoning and (self.reasoning.summary or self.reasoning.generate_summary)
        return bool(wanted) and wanted != "none"

    @property
    def sealed(self) -> bool:
        """Whether thoughts are wanted as a value that can be sent back."""
        return SEALED in (self.include or ())
