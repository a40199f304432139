"""Files as Anthropic describes them. They are the same files as OpenAI's."""

from datetime import UTC, datetime
from mimetypes import guess_type
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from api.http.bodies.fields import RequestModel
from jobs.files import StoredFile


class AnthropicFileRequest(RequestModel):
    """The fields beside the file."""

    expires_in_seconds: Annotated[int, Field(ge=3_600, le=7_776_000)] | None = None


class FileMetadata(TypedDict):
    """Times are in RFC 3339. `mime_type` is what the name tells."""

    id: str
    type: Literal["file"]
    filename: str
    mime_type: str
    size_bytes: int
    created_at: str
    expires_at: str | None
    downloadable: bool


class FileMetadataPage(TypedDict):
    """`next_page` is the cursor for `page`; earlier SDKs take `last_id` for `after_id`."""

    data: list[FileMetadata]
    next_page: str | None
    has_more: bool
    first_id: str | None
    last_id: str | None


class DeletedAnthropicFile(TypedDict):
    id: str
    type: Literal["file_deleted"]


def metadata(record: StoredFile) -> FileMetadata:
    return {
        "id": record.id,
        "type": "file",
        "filename": record.filename,
        "mime_type": guess_type(record.filename)[0] or "application/octet-stream",
        "size_bytes": record.bytes,
        "created_at": _time(record.created_at),
        "expires_at": None if record.expires_at is None else _time(record.expires_at),
        "downloadable": True,
    }


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
