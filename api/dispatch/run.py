"""Runs a job for a request: waits for its answer, or returns the job if the client prefers that."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.dispatch.call import call, outcome
from api.dispatch.delivery import Delivery
from api.dispatch.job_object import accepted_job, shown, urls
from api.dispatch.job_schema import JobObject
from api.dispatch.ownership import visible_job
from api.dispatch.renderers import Answered, renderers_of
from api.http.answers.json_response import json_response
from api.http.answers.warning import with_noted
from api.http.context import jobs_of
from api.http.job_options.prefer import Preference
from api.http.middleware.forwarded import base_of
from jobs.client import Submission
from jobs.gate import Parting
from jobs.request import JobRequest

#: (the job, headers) → the response. It runs in a thread: it may read files.
Respond = Callable[[Answered[Any, Any], dict[str, str]], Response]


async def run(
    request: Request,
    job: JobRequest,
    preference: Preference,
    headers: Mapping[str, str] | None = None,
    respond: Respond | None = None,
    *,
    keep: bool = False,
) -> Response:
    """200 with the answer, or 202 with the job when the wait that the client prefers is over.

    `respond` makes a response that is not the answer in JSON. `keep`: the job goes on when its client leaves.
    """
    jobs, headers = jobs_of(request), with_noted(request, headers or {})
    if preference.wait == 0:
        submission = await jobs.enqueue(job)
        return await accepted(request, job, submission, preference, headers)
    keep = keep or not preference.synchronous
    delivery = Delivery(request, Parting.KEPT if keep else Parting.LEFT) if job.linger else None
    async with call(jobs, job, request.receive, keep=keep, delivery=delivery) as (submission, watch):
        request.state.request_id = submission.job_id
        result = await outcome(watch, preference.wait)
    if result is None:
        return await accepted(request, job, submission, preference, headers)
    extra = {**headers, **_applied(preference)}
    try:
        response = await _response(request, job, submission, result, extra, respond)
    except BaseException:
        if delivery is not None:
            await delivery.fail()
        raise
    response.background = None if delivery is None else delivery.task
    return response


async def _response(
    request: Request,
    job: JobRequest,
    submission: Submission,
    result: msgspec.Raw,
    headers: dict[str, str],
    respond: Respond | None,
) -> Response:
    renderer = renderers_of(request)[job.dialect, job.kind]
    base, now = base_of(request), time.time()
    answered = renderer.answered(submission.job_id, submission.meta, result, base, now)
    if respond is not None:
        return await asyncio.to_thread(respond, answered, headers)
    body = await asyncio.to_thread(renderer.body, answered) if renderer.slow else renderer.body(answered)
    return json_response(body, headers=headers)


async def accepted(
    request: Request,
    job: JobRequest,
    submission: Submission,
    preference: Preference,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """202: where the job can be asked for."""
    request.state.request_id = submission.job_id
    body: JobObject
    if submission.attached or preference.wait:
        body = shown(request, await visible_job(request, submission.job_id, with_result=True))
    else:
        info = await jobs_of(request).foresee(accepted_job(job, submission))
        body = shown(request, info)
    location = urls(base_of(request), submission.job_id)["get"]
    return json_response(body, 202, {**(headers or {}), **_applied(preference), "location": location})


def _applied(preference: Preference) -> dict[str, str]:
    return {"preference-applied": preference.applied} if preference.applied else {}
