"""The content of a message as clients write it: text, or a list of parts; and the plain form that all readers share.

It does not read images: `chat_images.py` does, when the model is known.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

#: The parts of a message that are text, and where they hold it.
_TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
#: The parts that are images. OpenAI's chats have an object with the address, its responses a string.
_IMAGE_PARTS = ("image_url", "input_image")


def invalid_message(message: str, **context: Any) -> PydanticCustomError:
    return PydanticCustomError("invalid_message", message, context)


def _read_parts(value: Any) -> Any:
    """Content as one string, or as a list of plain parts when it has images; None stays None."""
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise invalid_message("must be a string or a list of content parts")
    parts = [_read_part(place, part) for place, part in enumerate(value)]
    if any(part["type"] == "image_url" for part in parts):
        return parts
    return "".join(part["text"] for part in parts)


def _read_part(place: int, part: Any) -> dict[str, str]:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        raise invalid_message("content part {place} must be an object with a 'type'", place=place)
    if kind in _IMAGE_PARTS:
        return {"type": "image_url", "url": _address(place, part.get("image_url"))}
    if kind not in _TEXT_PARTS:
        raise invalid_message(
            "content part {place} is of type '{kind}', which is not supported: only text and images are",
            place=place,
            kind=kind[:40],
        )
    text = part.get(_TEXT_PARTS[kind])
    if not isinstance(text, str):
        raise invalid_message(
            "content part {place} needs a string in '{field}'", place=place, field=_TEXT_PARTS[kind]
        )
    return {"type": "text", "text": text}


def _address(place: int, image: Any) -> str:
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str) or not url:
        raise invalid_message("content part {place} needs an address in 'image_url.url'", place=place)
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
