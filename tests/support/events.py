"""Events as a test writes and reads them: by name, with plain values."""

from enum import StrEnum
from typing import Any

import msgspec

from jobs import events
from jobs.events import Entry, Event


class EventType(StrEnum):
    STARTED = "started"
    DOWNLOADING = "downloading"
    LOADING = "loading"
    LOADED = "loaded"
    DELTA = "delta"
    AUDIO = "audio"
    PROGRESS = "progress"
    PREVIEW = "preview"
    PARTIAL = "partial"
    REQUEUED = "requeued"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


def make(kind: EventType, **data: Any) -> Event:
    event: Event = msgspec.convert({"type": kind.value, **data}, Event)
    return event


def encode_event(kind: EventType, **data: Any) -> bytes:
    return events.encode_event(make(kind, **data))


def plain(value: object) -> Any:
    """Typed values as JSON has them."""
    return msgspec.json.decode(msgspec.json.encode(value))


def data_of(entry: Entry) -> dict[str, Any]:
    """An event's fields, as they cross Redis."""
    data: dict[str, Any] = plain(entry.event)
    return data
