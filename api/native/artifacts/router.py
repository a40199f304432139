"""`GET /v1/jobs/{id}/artifacts/{n}`: the files of a job, while it runs and for as long as its result is kept.

A job's id is a secret: who knows it may fetch what it made, unless it is another key's.
"""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.dispatch.file_response import file_response
from api.dispatch.job_file import job_file
from api.dispatch.resource import Resource
from api.http.openapi import gives_bytes, gives_nothing
from api.native.dialect import NATIVE
from api.native.jobs.schema import JobId

router = APIRouter(tags=["jobs"])


@router.get(
    "/v1/jobs/{job_id}/artifacts/{number}",
    summary="A file that a job made",
    response_class=Response,
    openapi_extra=gives_bytes("*/*")
    | gives_bytes("*/*", status=206)
    | gives_nothing("The client has the file", status=304),
)
async def get_artifact(
    request: Request, job_id: JobId, number: Annotated[int, Path(ge=0, le=10_000)]
) -> Response:
    file = await job_file(request, job_id, number)
    return await asyncio.to_thread(file_response, request, file, f"{job_id}-{number}.{file.suffix}")


RESOURCE = Resource(NATIVE, routers=(router,))
