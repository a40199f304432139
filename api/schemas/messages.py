"""Chat messages: what clients send, and the plain form that every chat template understands."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.fields import RequestModel

#: The parts of a message that are text, and where they hold it.
_TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
#: The parts that are pictures. OpenAI's chats have an object with the address, its responses a string.
_IMAGE_PARTS = ("image_url", "input_image")
#: Roles that templates do not know, and the one that means the same to a model.
_ROLES = {"developer": "system", "function": "tool"}


def _invalid(message: str, **context: Any) -> PydanticCustomError:
    return PydanticCustomError("invalid_message", message, context)


def _read_parts(value: Any) -> Any:
    """Content as one string, or as a list of plain parts when there are pictures in it; None stays None."""
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise _invalid("must be a string or a list of content parts")
    parts = [_read_part(place, part) for place, part in enumerate(value)]
    if any(part["type"] == "image_url" for part in parts):
        return parts
    return "".join(part["text"] for part in parts)


def _read_part(place: int, part: Any) -> dict[str, str]:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        raise _invalid("content part {place} must be an object with a 'type'", place=place)
    if kind in _IMAGE_PARTS:
        return {"type": "image_url", "url": _address(place, part.get("image_url"))}
    if kind not in _TEXT_PARTS:
        raise _invalid(
            "content part {place} is of type '{kind}', which is not supported: only text and images are",
            place=place,
            kind=kind[:40],
        )
    text = part.get(_TEXT_PARTS[kind])
    if not isinstance(text, str):
        raise _invalid(
            "content part {place} needs a string in '{field}'", place=place, field=_TEXT_PARTS[kind]
        )
    return {"type": "text", "text": text}


def _address(place: int, image: Any) -> str:
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str) or not url:
        raise _invalid("content part {place} needs an address in 'image_url.url'", place=place)
    return url


_CONTENT_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"type": "string", "enum": [*_TEXT_PARTS, *_IMAGE_PARTS]},
                    "text": {"type": "string"},
                    "image_url": {
                        "anyOf": [
                            {"type": "string"},
                            {
                                "type": "object",
                                "properties": {"url": {"type": "string"}, "detail": {"type": "string"}},
                                "required": ["url"],
                            },
                        ]
                    },
                },
                "required": ["type"],
            },
        },
        {"type": "null"},
    ]
}

Content = Annotated[
    str | list[dict[str, str]] | None, BeforeValidator(_read_parts), WithJsonSchema(_CONTENT_SCHEMA)
]


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
    reasoning_content: str | None = None
    refusal: str | None = None

    @model_validator(mode="after")
    def _has_something_to_say(self) -> "Message":
        if self.content is None and not (self.role == "assistant" and (self.tool_calls or self.refusal)):
            raise _invalid("content may only be null in an assistant message with tool_calls")
        if self.has_images and self.role != "user":
            raise _invalid("only messages of the role 'user' may hold images")
        return self

    @property
    def has_images(self) -> bool:
        return isinstance(self.content, list)

    def plain(self) -> dict[str, Any]:
        """The message as a chat template takes it; absent fields are left out.

        `content` is a string, or with pictures a list of {"type": "text", "text"} and
        {"type": "image_url", "url"}.
        """
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
        if self.reasoning_content is not None:
            message["reasoning_content"] = self.reasoning_content
        return message
