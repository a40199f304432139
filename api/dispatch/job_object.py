"""The job object of `/v1/jobs`."""

from datetime import UTC, datetime
from typing import cast

import msgspec
from msgspec import UNSET

from api.dispatch.job_schema import JobObject, JobProgress, JobUrls
from api.dispatch.renderers import answer
from api.openai.dialect import OPENAI
from jobs.client import Submission
from jobs.info import JobInfo
from jobs.request import JobRequest
from jobs.status import JobStatus


def urls(base: str, job_id: str) -> JobUrls:
    """Where to ask, watch and cancel; `base` ends with a slash."""
    job = f"{base}v1/jobs/{job_id}"
    return {"get": job, "events": f"{job}/events", "cancel": f"{job}/cancel"}


def accepted_job(base: str, request: JobRequest, submission: Submission) -> JobObject:
    """A job that was queued just now, without a look into Redis."""
    created = float(request.meta["created"])
    info = JobInfo(
        id=submission.job_id,
        status=JobStatus.QUEUED,
        queue=request.queue,
        kind=request.kind,
        model=request.model,
        app=request.app,
        attempts=0,
        created_at=datetime.fromtimestamp(created, UTC).isoformat(),
        started_at=None,
        ended_at=None,
        cancelling=False,
        meta=request.meta,
        position=submission.position,
    )
    return job_object(base, info)


def job_object(base: str, info: JobInfo) -> JobObject:
    """A job as its owner sees it, with the result or error if `info` has them. Never the request."""
    created, started, ended = map(_seconds, (info.created_at, info.started_at, info.ended_at))
    result, progress = None, info.progress
    if info.result is not None:
        result = answer(info.kind, info.id, info.meta, info.result, base)
    return {
        "id": info.id,
        "object": "job",
        "status": info.status.value,
        "kind": info.kind,
        "queue": info.queue,
        "model": info.meta.get("model", info.model),
        "app": info.app,
        "created_at": None if created is None else int(created),
        "position": info.position,
        "eta": info.eta if progress is None or progress.eta is UNSET else progress.eta,
        "progress": None if progress is None else cast(JobProgress, msgspec.to_builtins(progress)),
        "attempts": info.attempts,
        "loading": info.loading and info.status is JobStatus.IN_PROGRESS,
        "cancelling": info.cancelling and not info.status.terminal,
        "timings": {
            "created_at": created,
            "started_at": started,
            "ended_at": ended,
            "queued_seconds": _between(created, started),
            "loading_seconds": _between(started, ended if info.loading else info.ran_at),
            "run_seconds": None if info.loading else _between(info.ran_at or started, ended),
        },
        "result": result,
        "error": None if info.error is None else OPENAI.error_body(info.error)["error"],
        "urls": urls(base, info.id),
    }


def _seconds(iso: str | None) -> float | None:
    """RQ's timestamp as Unix seconds."""
    return None if not iso else round(datetime.fromisoformat(iso).timestamp(), 3)


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(max(0.0, end - start), 3)
