"""The answers of `/v1/jobs`."""

from typing import Annotated, Literal

from fastapi import Path
from typing_extensions import TypedDict

from api.dispatch.job_schema import JobObject

JobId = Annotated[str, Path(max_length=100)]


class JobList(TypedDict):
    """Newest first. `last_id` is the cursor of the next page."""

    object: Literal["list"]
    data: list[JobObject]
    has_more: bool
    first_id: str | None
    last_id: str | None
