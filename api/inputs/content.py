"""The content of a message as clients write it: text, or a list of parts; and the plain form that all readers share.

It reads neither images nor files: `stored_files.py`, `chat_images.py` and `documents.py` do, when the model is known.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

#: The parts of a message that are text, and where they hold it.
_TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
#: The parts that are images. OpenAI's chats have an object with the address, its responses a string.
_IMAGE_PARTS = ("image_url", "input_image")
#: The parts that are files. OpenAI's chats have an object with the fields, its responses the fields themselves.
_FILE_PARTS = ("file", "input_file")


def invalid_message(message: str, **context: Any) -> PydanticCustomError:
    return PydanticCustomError("invalid_message", message, context)


def _read_parts(value: Any) -> Any:
    """Content as one string, or as a list of plain parts when it has images or files; None stays None."""
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise invalid_message("must be a string or a list of content parts")
    parts = [_read_part(place, part) for place, part in enumerate(value)]
    if any(part["type"] != "text" for part in parts):
        return parts
    return "".join(part["text"] for part in parts)


def _read_part(place: int, part: Any) -> dict[str, str]:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        raise invalid_message("content part {place} must be an object with a 'type'", place=place)
    if kind in _IMAGE_PARTS:
        return {"type": "image_url", **_image(place, part)}
    if kind in _FILE_PARTS:
        return _file(place, part)
    if kind not in _TEXT_PARTS:
        raise invalid_message(
            "content part {place} is of type '{kind}', which is not supported: only text, images and files are",
            place=place,
            kind=kind[:40],
        )
    text = part.get(_TEXT_PARTS[kind])
    if not isinstance(text, str):
        raise invalid_message(
            "content part {place} needs a string in '{field}'", place=place, field=_TEXT_PARTS[kind]
        )
    return {"type": "text", "text": text}


def _file(place: int, part: dict[str, Any]) -> dict[str, str]:
    inner = part.get("file")
    fields = inner if part["type"] == "file" and isinstance(inner, dict) else part
    data = fields.get("file_data") or fields.get("file_url")
    found = {"type": "file"}
    if isinstance(data, str) and data:
        found["data"] = data
    elif (file_id := _file_id(fields)) is not None:
        found["file_id"] = file_id
    else:
        raise invalid_message(
            "content part {place} needs the file itself in 'file_data', its address in 'file_url', "
            "or the id of a stored file in 'file_id'",
            place=place,
        )
    name = fields.get("filename")
    return {**found, "name": name[:200]} if isinstance(name, str) and name else found


def _image(place: int, part: dict[str, Any]) -> dict[str, str]:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if isinstance(url, str) and url:
        return {"url": url}
    if (file_id := _file_id(part)) is not None:
        return {"file_id": file_id}
    raise invalid_message(
        "content part {place} needs an address or a data: URL in 'image_url', "
        "or the id of a stored file in 'file_id'",
        place=place,
    )


def _file_id(fields: dict[str, Any]) -> str | None:
    value = fields.get("file_id")
    return value if isinstance(value, str) and value else None


_CONTENT_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"type": "string", "enum": [*_TEXT_PARTS, *_IMAGE_PARTS, *_FILE_PARTS]},
                    "text": {"type": "string"},
                    "file_data": {"type": "string"},
                    "file_url": {"type": "string"},
                    "file_id": {"type": "string"},
                    "filename": {"type": "string"},
                    "file": {"type": "object"},
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
