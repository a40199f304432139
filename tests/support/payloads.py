"""Payloads as a test writes them: plain values, of the kind that they can only be."""

from collections.abc import Mapping
from typing import Any

import msgspec

from jobs import payloads
from jobs.results import Result

_BY_FIELD = {
    "messages": payloads.ChatPayload,
    "prompts": payloads.CompletionPayload,
    "inputs": payloads.EmbeddingPayload,
    "input": payloads.SpeechPayload,
    "audio": payloads.TranscriptionPayload,
    "source": payloads.DownloadPayload,
}
_IMAGE = {
    "mode": "generate",
    "n": 1,
    "format": "png",
    "compression": None,
    "previews": False,
    "metadata": False,
}


def typed(data: Mapping[str, Any]) -> Any:
    """The payload with these fields."""
    if "width" in data:
        return msgspec.convert({**_IMAGE, **data}, payloads.ImagePayload)
    kind = next((kind for field, kind in _BY_FIELD.items() if field in data), payloads.NoPayload)
    return msgspec.convert(data, kind)


def made(data: Mapping[str, Any]) -> Any:
    """A result with these fields, of no kind."""
    kind = msgspec.defstruct("Made", list(data), bases=(Result,), frozen=True, kw_only=True)
    return kind(**data)
