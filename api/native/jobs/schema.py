"""The answers of `/v1/jobs`."""

from typing import Annotated, Literal

from fastapi import Path
from typing_extensions import TypedDict

from api.dispatch.job_schema import JobObject
from config.values import JsonObject

JobId = Annotated[str, Path(max_length=100)]


class JobList(TypedDict):
    """Newest first. `last_id` is the cursor of the next page."""

    object: Literal["list"]
    data: list[JobObject]
    has_more: bool
    first_id: str | None
    last_id: str | None


class RequestOfJob(TypedDict):
    """A call that asks what the job was asked. `has_files`: files came with it; they are not shown."""

    object: Literal["job.request"]
    id: str
    method: Literal["POST"]
    path: str
    body: JsonObject
    has_files: bool
