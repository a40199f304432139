"""Ids of blobs: how long one is kept is in its beginning, and the hash of its content in its end.

An id is `<kind>-<random>-<SHA-256>`: nobody can guess it, and whoever has the bytes can check them, whatever way they
came. What many jobs use is `shared-<SHA-256>`. Ids of earlier versions have no hash.
"""

import re
import secrets

from jobs.errors import BlobGone, ServiceUnavailable

#: Kinds: of what jobs make, of what requests bring along, and of what is stored until it is deleted.
MADE, SENT, STORED = "blob", "input", "stored"
#: That of what many jobs use.
SHARED = "shared"
#: Those that stay while somebody names them.
NAMED = (SENT, SHARED, STORED)

_HASH = "[0-9a-f]{64}"
#: Ids of one job's blobs, and of all.
_OWN = re.compile(rf"(?:{MADE}|{SENT}|{STORED})-[0-9a-f]{{32}}(?:-{_HASH})?")
_ID = re.compile(rf"{_OWN.pattern}|{SHARED}-{_HASH}")


def new_id(kind: str, digest: str) -> str:
    """A new one, which nobody can guess. `digest`: the SHA-256 of the content, in hexadecimal digits."""
    return f"{kind}-{secrets.token_hex(16)}-{digest}"


def shared_id(digest: str) -> str:
    """The one of this content."""
    return f"{SHARED}-{digest}"


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def is_own(text: str) -> bool:
    """Whether it is an id of a blob that is not shared."""
    return _OWN.fullmatch(text) is not None


def kind_of(blob_id: str) -> str:
    return blob_id.partition("-")[0]


def digest_of(blob_id: str) -> str | None:
    """The SHA-256 of the content. None: the id does not have it."""
    last = blob_id.rpartition("-")[2]
    return last if len(last) == 64 else None


def check(blob_id: str, digest: str) -> None:
    """Raises ServiceUnavailable where bytes with this hash are not those of the blob."""
    if digest_of(blob_id) not in (None, digest):
        raise ServiceUnavailable("A file that belongs to this request was damaged on its way.")


def gone() -> BlobGone:
    return BlobGone("A file that belongs to this request is not there any more; send it again.")
