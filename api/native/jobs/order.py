"""`/v1/jobs/{id}/hold`, `release`, `move` and `class`: the place of a job that waits."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from api.dispatch.job_object import shown
from api.dispatch.job_schema import Class, JobObject
from api.dispatch.ownership import cancellable_job, visible_job
from api.http.answers.json_response import json_response
from api.http.context import jobs_of
from api.http.openapi import gives
from api.native.jobs.schema import JobId
from jobs.gate import Change

router = APIRouter(tags=["jobs"])

_MOVES = {"front": Change.FRONT, "up": Change.UP}


@router.post(
    "/v1/jobs/{job_id}/hold",
    summary="Keep a waiting job from starting",
    response_class=Response,
    openapi_extra=gives(JobObject),
)
async def hold(request: Request, job_id: JobId) -> Response:
    """409 when it does not wait any more."""
    return await _changed(request, job_id, Change.HOLD)


@router.post(
    "/v1/jobs/{job_id}/release",
    summary="Let a job that is held start",
    response_class=Response,
    openapi_extra=gives(JobObject),
)
async def release(request: Request, job_id: JobId) -> Response:
    """It waits where it would without the hold."""
    return await _changed(request, job_id, Change.RELEASE)


@router.post(
    "/v1/jobs/{job_id}/move",
    summary="Move a waiting job forward",
    response_class=Response,
    openapi_extra=gives(JobObject),
)
async def move(
    request: Request,
    job_id: JobId,
    to: Annotated[
        Literal["front", "up"],
        Query(description="Before all others of its class, or before the job of its app that was before it."),
    ] = "front",
) -> Response:
    return await _changed(request, job_id, _MOVES[to])


@router.post(
    "/v1/jobs/{job_id}/class",
    summary="Change the class of a waiting job",
    response_class=Response,
    openapi_extra=gives(JobObject),
)
async def change_class(request: Request, job_id: JobId, service_class: Class) -> Response:
    return await _changed(request, job_id, Change.CLASS, service_class)


async def _changed(request: Request, job_id: str, change: Change, to: str = "") -> Response:
    await cancellable_job(request, job_id)
    await jobs_of(request).control.change(job_id, change, to)
    return json_response(shown(request, await visible_job(request, job_id)))
