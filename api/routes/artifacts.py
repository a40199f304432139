"""`GET /v1/jobs/{id}/artifacts/{n}`: the files of a job, for as long as its result is kept.

A job's id is a secret: who knows it may fetch what it made.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse

from api.artifacts import Artifact, artifacts
from api.context import context_of, jobs_of
from api.routes.jobs import JobId
from jobs.errors import NotFound

router = APIRouter(tags=["jobs"])


@router.get("/v1/jobs/{job_id}/artifacts/{number}", summary="A file that a job made", response_class=Response)
async def get_artifact(
    request: Request, job_id: JobId, number: Annotated[int, Path(ge=0, le=10_000)]
) -> Response:
    info = await jobs_of(request).info(job_id, with_result=True)
    request.state.request_id = info.id
    files = artifacts(info.kind, info.result)
    if number >= len(files):
        raise NotFound(f"Job '{job_id}' has no file number {number} ({info.status}).")
    return file_response(request, files[number], f"{job_id}-{number}.{files[number].suffix}")


def file_response(
    request: Request, artifact: Artifact, name: str, headers: dict[str, str] | None = None
) -> Response:
    """The whole file. Raises BlobGone."""
    path = context_of(request).blobs.path(artifact.blob)
    disposition = {"content-disposition": f'inline; filename="{name}"'}
    return FileResponse(
        path,
        headers={**disposition, **(headers or {})},
        media_type=artifact.content_type,
        stat_result=path.stat(),
    )
