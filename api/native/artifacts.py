"""`GET /v1/jobs/{id}/artifacts/{n}`: the files of a job, while it runs and for as long as its result is kept.

A job's id is a secret: who knows it may fetch what it made, unless it is another key's.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from api.dispatch.artifacts import Artifact, artifacts, picture
from api.dispatch.ownership import visible_job
from api.http.context import context_of, jobs_of
from api.http.cors import EMBEDDABLE
from api.http.errors import error_response
from api.native.jobs import JobId
from jobs.errors import InvalidRequest, NotFound

router = APIRouter(tags=["jobs"])

#: How a range is refused that is none, or lies outside of the file.
_RANGE_REFUSED = (400, 416)


@router.get("/v1/jobs/{job_id}/artifacts/{number}", summary="A file that a job made", response_class=Response)
async def get_artifact(
    request: Request, job_id: JobId, number: Annotated[int, Path(ge=0, le=10_000)]
) -> Response:
    info = await visible_job(request, job_id, with_result=True)
    file = artifacts(info.kind, info.result).get(number)
    if file is None:
        # What it has shown on its way is no part of its result.
        shown = await jobs_of(request).file(job_id, number)
        if shown is None:
            raise NotFound(f"Job '{job_id}' has no file number {number} ({info.status}).")
        file = picture(*shown)
    return file_response(request, file, f"{job_id}-{number}.{file.suffix}")


class _File(FileResponse):
    """A range that cannot be served is refused as every other request is."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused: Message | None = None

        async def watch(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] in _RANGE_REFUSED:
                refused = message
            elif refused is None:
                await send(message)

        await super().__call__(scope, receive, watch)
        if refused is not None:
            error = InvalidRequest(
                f"Invalid 'Range': the file has {self.headers['content-length']} bytes.", param="Range"
            )
            error.status, error.code = refused["status"], "invalid_range"
            kept = {k: v for k, v in Headers(raw=refused["headers"]).items() if k == "content-range"}
            await error_response(error, kept)(scope, receive, send)


def file_response(
    request: Request, artifact: Artifact, name: str, headers: dict[str, str] | None = None
) -> Response:
    """The whole file. Raises BlobGone."""
    path = context_of(request).blobs.path(artifact.blob)
    disposition = {"content-disposition": f'inline; filename="{name}"'}
    return _File(
        path,
        headers={**disposition, **EMBEDDABLE, **(headers or {})},
        media_type=artifact.content_type,
        stat_result=path.stat(),
    )
