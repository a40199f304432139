"""`/v1/jobs`: get, await, watch, cancel and list jobs.

A job's id is a secret of 96 bits: who knows it may ask. With keys, each sees the jobs of its own; without them,
listing is for the user of the machine.
"""

import asyncio
import re
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from api.dispatch.call import next_event
from api.dispatch.job_object import shown
from api.dispatch.job_schema import JobEvent, JobObject
from api.dispatch.ownership import cancellable_job, visible_job
from api.dispatch.resource import Resource
from api.http.answers.disconnect import while_connected
from api.http.answers.json_response import json_response
from api.http.answers.sse import HEADERS
from api.http.answers.stream import StreamResponse
from api.http.context import jobs_of
from api.http.middleware.security import listed_owner
from api.http.openapi import gives, gives_nothing, streams
from api.models.renderers import model_renderers
from api.native.dialect import NATIVE
from api.native.jobs import again, order
from api.native.jobs.events import JobEvents
from api.native.jobs.schema import JobId, JobList
from jobs.errors import InvalidRequest, JobNotFound
from jobs.kinds import Kind
from jobs.queue.listing import Wanted
from jobs.status import JobStatus

router = APIRouter(tags=["jobs"])

#: Longest `?wait=` in seconds.
LONGEST_WAIT = 60

_EVENT_ID = re.compile(r"([0-9]{1,20})(?:-([0-9]{1,20}))?")
_LARGEST = 2**64 - 1


@router.get("/v1/jobs", summary="List jobs", response_class=Response, openapi_extra=gives(JobList))
async def list_jobs(
    request: Request,
    status: JobStatus | None = None,
    queue: Literal["llm", "asr", "tts", "image", "embedding", "download"] | None = None,
    app: Annotated[str | None, Query(max_length=64)] = None,
    kind: Kind | None = None,
    model: Annotated[str | None, Query(max_length=1024, description="A part of the model's id.")] = None,
    part: Annotated[str | None, Query(alias="id", max_length=100, description="A part of the id.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, Query(max_length=100, description="The last id of the page before.")] = None,
) -> Response:
    """Newest first. Rows have neither requests nor results."""
    owner = await listed_owner(request)
    wanted = Wanted(status, queue, app, owner, kind, model, part)
    try:
        page, more = await jobs_of(request).jobs(wanted, limit=limit, after=after)
    except JobNotFound as error:
        raise InvalidRequest(error.message, param="after") from None
    body: JobList = {
        "object": "list",
        "data": [shown(request, info) for info in page],
        "has_more": more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }
    return json_response(body)


@router.get(
    "/v1/jobs/{job_id}",
    summary="A job, and its result when it has one",
    response_class=Response,
    openapi_extra=gives(JobObject),
)
async def get_job(
    request: Request,
    job_id: JobId,
    wait: Annotated[
        float, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for its end.", allow_inf_nan=False)
    ] = 0,
) -> Response:
    if wait > 0:
        await _wait_for_end(request, job_id, wait)
    return json_response(await _job(request, job_id))


@router.get(
    "/v1/jobs/{job_id}/events",
    summary="A job's events, as they come",
    response_class=Response,
    openapi_extra=streams(JobEvent) | gives_nothing("There is nothing after that event"),
)
async def events(
    request: Request,
    job_id: JobId,
    after: Annotated[str | None, Query(description="The last event id seen; `Last-Event-ID` wins.")] = None,
) -> Response:
    """204 when there is nothing after that event: the job has ended."""
    seen = _event_id(request.headers.get("last-event-id") or after or "0-0")
    jobs = jobs_of(request)
    info = await visible_job(request, job_id)
    if info.status.terminal:
        async with jobs.watch(job_id, seen) as watch:
            if watch.pending() is None:
                return Response(status_code=204)
    return StreamResponse(JobEvents(request, job_id, seen), HEADERS)


@router.post(
    "/v1/jobs/{job_id}/cancel",
    summary="Cancel a job",
    response_class=Response,
    openapi_extra=gives(JobObject),
)
@router.put("/v1/jobs/{job_id}/cancel", include_in_schema=False, response_class=Response)
@router.put("/v1/jobs/{job_id}", include_in_schema=False, response_class=Response)
@router.delete("/v1/jobs/{job_id}", include_in_schema=False, response_class=Response)
async def cancel(request: Request, job_id: JobId) -> Response:
    """A waiting job is cancelled at once, a running one within one step. 409 when it has already ended."""
    await cancellable_job(request, job_id)
    await jobs_of(request).cancel(job_id)
    return json_response(await _job(request, job_id))


async def _job(request: Request, job_id: str) -> JobObject:
    return shown(request, await visible_job(request, job_id, with_result=True))


async def _wait_for_end(request: Request, job_id: str, seconds: float) -> None:
    """Until the job has ended or the time is over. Raises ClientGone, and JobNotFound."""
    jobs = jobs_of(request)
    if (await visible_job(request, job_id)).status.terminal:
        return
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    async with jobs.watch(job_id) as watch, while_connected(request.receive):
        while (left := deadline - clock()) > 0:
            event = await next_event(watch, left)
            if event is None or event.terminal:
                return


def _event_id(text: str) -> str:
    found = _EVENT_ID.fullmatch(text.strip())
    if found is None or any(int(part) > _LARGEST for part in found.groups("0")):
        raise InvalidRequest("An event id looks like '1700000000000-0'.", param="after")
    return "-".join(found.groups("0"))


#: Those of jobs that mlxq submits for itself.
RESOURCE = Resource(NATIVE, routers=(router, order.router, again.router), renderers=model_renderers(NATIVE))
