"""Files as OpenAI describes them: what is uploaded with one, and how they are shown."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from api.http.bodies.fields import RequestModel
from jobs.files import StoredFile

#: What a file may be uploaded for.
Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
#: Seconds that files of batches are kept.
USUAL_TTL = 2_592_000


class FileExpiry(RequestModel):
    """When a file is deleted."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=3_600, le=2_592_000)]


class FileRequest(RequestModel):
    """The fields beside the file."""

    purpose: Purpose
    expires_after: FileExpiry | None = None

    @property
    def ttl(self) -> int | None:
        """Seconds that it is kept; None: until it is deleted."""
        if self.expires_after is not None:
            return self.expires_after.seconds
        return USUAL_TTL if self.purpose == "batch" else None


class FileObject(TypedDict):
    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: Literal["processed"]
    status_details: str | None


class FileList(TypedDict):
    object: Literal["list"]
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedFile(TypedDict):
    id: str
    object: Literal["file"]
    deleted: bool


def shown(record: StoredFile) -> FileObject:
    return {
        "id": record.id,
        "object": "file",
        "bytes": record.bytes,
        "created_at": record.created_at,
        "expires_at": record.expires_at,
        "filename": record.filename,
        "purpose": record.purpose,
        "status": "processed",
        "status_details": None,
    }
