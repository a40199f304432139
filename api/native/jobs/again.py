"""`GET /v1/jobs/{id}/request` and `POST /v1/jobs/{id}/retry`: what a job was asked, and the same asked again."""

import time

import msgspec
from fastapi import APIRouter, Request, Response

from api.dispatch.job_schema import JobObject
from api.dispatch.ownership import cancellable_job, visible_job
from api.dispatch.renderers import renderers_of
from api.dispatch.run import accepted
from api.dispatch.submission import model_of
from api.http.answers.json_response import json_response
from api.http.callers.caller import Rights, caller_of
from api.http.context import context_of, jobs_of
from api.http.job_options.prefer import SYNCHRONOUS
from api.http.job_options.webhook import webhook_of
from api.http.openapi import gives
from api.native.jobs.asked import body_of, path_of
from api.native.jobs.schema import JobId, RequestOfJob
from jobs.errors import Conflict, Forbidden, JobNotFound
from jobs.info import JobInfo
from jobs.kept_request import KeptRequest, kept_request
from jobs.kinds import KINDS, Category
from jobs.request import JobRequest, new_job_id
from mlxq.catalog import ModelRef
from mlxq.downloads.request import download_request

router = APIRouter(tags=["jobs"])


@router.get(
    "/v1/jobs/{job_id}/request",
    summary="What a job was asked",
    response_class=Response,
    openapi_extra=gives(RequestOfJob),
)
async def get_request(request: Request, job_id: JobId) -> Response:
    """404 where it is not kept any more. Pages of other origins may not ask."""
    if not context_of(request).settings.show_prompts:
        raise Forbidden("What jobs were asked is not shown here (SHOW_PROMPTS).")
    caller_of(request).need(Rights.USE_INSTALLED)
    info = await visible_job(request, job_id)
    if not caller_of(request).sees(info.owner):
        raise JobNotFound(f"No job with id '{job_id}'.")
    kept = await kept_request(jobs_of(request), job_id)
    body: RequestOfJob = {
        "object": "job.request",
        "id": info.id,
        "method": "POST",
        "path": path_of(kept),
        "body": body_of(kept),
        "has_files": kept.has_files,
    }
    return json_response(body)


@router.post(
    "/v1/jobs/{job_id}/retry",
    status_code=202,
    summary="Ask the same again",
    response_class=Response,
    openapi_extra=gives(JobObject, 202, "A new job was accepted"),
)
async def retry(request: Request, job_id: JobId) -> Response:
    """Of a job that has ended. 404 where its request is not kept any more, 409 where files came with it.

    Whoever was told of the end of the first one is told of this one, too, unless this request names another webhook.
    """
    await cancellable_job(request, job_id)
    info = await visible_job(request, job_id)
    if not info.status.terminal:
        raise Conflict(f"Job '{job_id}' has not ended.")
    kept = await kept_request(jobs_of(request), job_id)
    if not KINDS[kept.kind].uses_model:
        raise Conflict("Jobs that load, unload and fetch models are asked for where models are.")
    if kept.has_files:
        raise Conflict("Files came with this job, and were deleted at its end: send the request again.")
    ref = await model_of(request, kept.model, Category(info.queue))
    job = _again(request, info, kept, ref)
    submission = await jobs_of(request).enqueue(job)
    return await accepted(request, job, submission, SYNCHRONOUS)


def _again(request: Request, info: JobInfo, kept: KeptRequest, ref: ModelRef) -> JobRequest:
    """A model that was deleted in the meantime is fetched first."""
    settings = context_of(request).settings
    fetch = download_request(settings, ref.base_id, app=info.app, owner=info.owner)
    renderer = renderers_of(request).find(info.dialect, info.kind)
    meta = msgspec.structs.replace(renderer.noted(info.meta), created=int(time.time()))
    return JobRequest(
        id=new_job_id(kept.kind, renderer.prefix),
        queue=info.queue,
        kind=kept.kind,
        model=kept.model,
        payload=kept.payload,
        timeout=KINDS[kept.kind].timeout(settings),
        max_run_time=settings.max_run_time,
        dialect=info.dialect,
        app=info.app,
        owner=info.owner,
        needs=None if ref.installed else fetch,
        service_class=info.service_class,
        share=kept.share,
        work=kept.work,
        most_tokens=kept.most_tokens,
        meta=meta,
        webhook=webhook_of(request, family=renderer.family, usual=kept.webhook),
    )
