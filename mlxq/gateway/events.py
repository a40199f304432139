"""Which events a joined worker may send: those of this version, which name no files but those that jobs make.

They become parts of messages and records that others read. It does not know whose job an event is about.
"""

import re

import msgspec

from jobs.blobs import MADE
from jobs.blobs.ids import digest_of, is_own, kind_of
from jobs.events import Partial, Preview, decode_event

#: As the scripts of the gate recognise one.
_BEGINNING = b'{"type":"'
_CONTENT_TYPE = re.compile(r"[a-z]{1,16}/[a-z0-9.+-]{1,64}")


def is_event(text: bytes) -> bool:
    if not text.startswith(_BEGINNING):
        return False
    try:
        event = decode_event(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    if isinstance(event, Preview | Partial):
        return is_made(event.blob) and _CONTENT_TYPE.fullmatch(event.content_type) is not None
    return True


def is_made(blob_id: str) -> bool:
    """Whether it is an id of a file that a job makes, with the hash of its content."""
    return is_own(blob_id) and kind_of(blob_id) == MADE and digest_of(blob_id) is not None
