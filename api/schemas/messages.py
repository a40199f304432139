"""Chat messages: what clients send, and the plain form that every chat template understands."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.fields import RequestModel

#: The parts of a message that are text, and where they hold it.
_TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
#: Roles that templates do not know, and the one that means the same to a model.
_ROLES = {"developer": "system", "function": "tool"}


def _invalid(message: str, **context: Any) -> PydanticCustomError:
    return PydanticCustomError("invalid_message", message, context)


def _join_parts(value: Any) -> Any:
    """Content as one string; None stays None."""
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise _invalid("must be a string or a list of content parts")
    texts = []
    for place, part in enumerate(value):
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str):
            raise _invalid("content part {place} must be an object with a 'type'", place=place)
        if kind not in _TEXT_PARTS:
            raise _invalid(
                "content part {place} is of type '{kind}', which this model does not take: "
                "only text is supported",
                place=place,
                kind=kind[:40],
            )
        text = part.get(_TEXT_PARTS[kind])
        if not isinstance(text, str):
            raise _invalid(
                "content part {place} needs a string in '{field}'", place=place, field=_TEXT_PARTS[kind]
            )
        texts.append(text)
    return "".join(texts)


_CONTENT_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"type": "string", "enum": list(_TEXT_PARTS)},
                    "text": {"type": "string"},
                },
                "required": ["type"],
            },
        },
        {"type": "null"},
    ]
}

Content = Annotated[str | None, BeforeValidator(_join_parts), WithJsonSchema(_CONTENT_SCHEMA)]


class FunctionCall(RequestModel):
    name: str = Field(min_length=1)
    arguments: str


class ToolCall(RequestModel):
    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class Message(RequestModel):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Content = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None

    @model_validator(mode="after")
    def _has_something_to_say(self) -> "Message":
        if self.content is None and not (self.role == "assistant" and (self.tool_calls or self.refusal)):
            raise _invalid("content may only be null in an assistant message with tool_calls")
        return self

    def plain(self) -> dict[str, Any]:
        """The message as a chat template takes it: `content` is a string, absent fields are left out."""
        message: dict[str, Any] = {
            "role": _ROLES.get(self.role, self.role),
            "content": self.refusal or "" if self.content is None else self.content,
        }
        if self.name is not None:
            message["name"] = self.name
        if self.tool_calls:
            message["tool_calls"] = [call.model_dump() for call in self.tool_calls]
        if self.tool_call_id is not None:
            message["tool_call_id"] = self.tool_call_id
        return message
