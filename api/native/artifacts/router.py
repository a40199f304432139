"""`GET /v1/jobs/{id}/artifacts/{n}`: the files of a job, while it runs and for as long as its result is kept.

A job's id is a secret: who knows it may fetch what it made, unless it is another key's.
"""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.dispatch.artifacts import artifacts, picture
from api.dispatch.file_response import file_response
from api.dispatch.ownership import visible_job
from api.dispatch.resource import Resource
from api.http.context import jobs_of
from api.http.openapi import gives_bytes
from api.native.dialect import NATIVE
from api.native.jobs.schema import JobId
from jobs.errors import NotFound
from jobs.kinds import read_result

router = APIRouter(tags=["jobs"])


@router.get(
    "/v1/jobs/{job_id}/artifacts/{number}",
    summary="A file that a job made",
    response_class=Response,
    openapi_extra=gives_bytes("*/*") | gives_bytes("*/*", status=206),
)
async def get_artifact(
    request: Request, job_id: JobId, number: Annotated[int, Path(ge=0, le=10_000)]
) -> Response:
    info = await visible_job(request, job_id, with_result=True)
    made = {} if info.result is None else artifacts(read_result(info.kind, info.result))
    file = made.get(number)
    if file is None:
        # What it has shown on its way is no part of its result.
        shown = await jobs_of(request).file(job_id, number)
        if shown is None:
            raise NotFound(f"Job '{job_id}' has no file number {number} ({info.status}).")
        file = picture(*shown)
    return await asyncio.to_thread(file_response, request, file, f"{job_id}-{number}.{file.suffix}")


RESOURCE = Resource(NATIVE, routers=(router,))
