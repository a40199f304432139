"""The job object of `/v1/jobs`."""

from datetime import UTC, datetime
from typing import cast

import msgspec
from msgspec import UNSET
from starlette.requests import HTTPConnection

from api.dispatch.job_schema import JobError, JobObject, JobProgress, JobResult, JobUrls, LiveJob, Waits
from api.dispatch.renderers import Renderers, renderers_of
from api.http.middleware.forwarded import base_of
from jobs.client import Submission
from jobs.info import JobInfo
from jobs.meta import encode_meta
from jobs.request import JobRequest
from jobs.status import JobStatus


def urls(base: str, job_id: str) -> JobUrls:
    """Where to ask, watch and cancel; `base` ends with a slash."""
    job = f"{base}v1/jobs/{job_id}"
    return {"get": job, "events": f"{job}/events", "cancel": f"{job}/cancel"}


def accepted_job(job: JobRequest, submission: Submission) -> JobInfo:
    """A job that was queued just now, without a look into Redis."""
    return JobInfo(
        id=submission.job_id,
        status=JobStatus.QUEUED,
        queue=job.queue,
        kind=job.kind,
        model=job.model,
        app=job.app,
        attempts=0,
        created_at=datetime.fromtimestamp(job.meta.created, UTC).isoformat(),
        started_at=None,
        ended_at=None,
        cancelling=False,
        meta=encode_meta(job.meta).decode(),
        position=submission.position,
        dialect=job.dialect,
        service_class=job.service_class,
        deferred=submission.position is None,
    )


def shown(request: HTTPConnection, info: JobInfo) -> JobObject:
    """A job as the client of this request sees it."""
    return job_object(base_of(request), renderers_of(request), info)


def job_object(base: str, renderers: Renderers, info: JobInfo) -> JobObject:
    """A job as its owner sees it, with the result or error if `info` has them. Never the request.

    Result and error are written in the dialect that the job was asked in.
    """
    result, progress = None, info.progress
    if info.result is not None:
        renderer = renderers.find(info.dialect, info.kind)
        meta = renderer.noted(info.meta)
        answered = renderer.answered(info.id, meta, info.result, base, _seconds(info.ended_at))
        result = renderer.body(answered)
    return {
        **live_job(renderers, info),
        "position": info.position,
        "eta": _eta(info),
        "progress": None if progress is None else cast(JobProgress, msgspec.to_builtins(progress)),
        "result": cast("JobResult | None", result),
        "urls": urls(base, info.id),
    }


def live_job(renderers: Renderers, info: JobInfo) -> LiveJob:
    """The part of it that changes seldom."""
    renderer = renderers.find(info.dialect, info.kind)
    created, started, ended = map(_seconds, (info.created_at, info.started_at, info.ended_at))
    ran_at = info.ran_at
    if ran_at is not None and ended is not None:
        # Redis notes the one as it is told, the worker the other before it tells.
        ran_at = min(ran_at, ended)
    error = None if info.error is None else renderer.dialect.error_body(info.error, info.id)["error"]
    return {
        "id": info.id,
        "object": "job",
        "status": info.status.value,
        "kind": renderer.name or info.kind,
        "queue": info.queue,
        "model": renderer.noted(info.meta).model,
        "app": info.app,
        "service_class": info.service_class.value,
        "created_at": None if created is None else int(created),
        "waits_for": cast("Waits | None", info.waits_for),
        "wait_reason": info.wait_reason,
        "worker": info.worker or None,
        "attempts": info.attempts,
        "loading": info.loading and info.status is JobStatus.IN_PROGRESS,
        "cancelling": info.cancelling and not info.status.terminal,
        "lingers_until": info.lingers_until,
        "timings": {
            "created_at": created,
            "started_at": started,
            "ended_at": ended,
            "queued_seconds": _between(created, started),
            "loading_seconds": _between(started, ended if info.loading else ran_at),
            "run_seconds": None if info.loading else _between(ran_at or started, ended),
        },
        "error": cast("JobError | str | None", error),
    }


def _eta(info: JobInfo) -> float | None:
    """Downloads know theirs, and tell it to the jobs that wait for them."""
    progress = info.progress
    if info.eta is not None or progress is None or progress.unit != "bytes" or progress.eta is UNSET:
        return info.eta
    return progress.eta


def _seconds(iso: str | None) -> float | None:
    """RQ's timestamp as Unix seconds."""
    return None if not iso else round(datetime.fromisoformat(iso).timestamp(), 3)


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(max(0.0, end - start), 3)
