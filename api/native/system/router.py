"""`GET /health`: whether the server can serve requests."""

from typing import Literal

from fastapi import APIRouter, Request, Response

from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.context import jobs_of
from api.http.openapi import gives
from api.native.dialect import NATIVE
from api.native.system.schema import Health
from jobs.errors import RedisDenied, ServiceUnavailable

router = APIRouter(tags=["system"])


@router.get(
    "/health",
    summary="Can requests be served?",
    response_class=Response,
    openapi_extra=gives(Health) | gives(Health, 503, "Requests are not served"),
)
async def health(request: Request) -> Response:
    """503 names the part that is lost. `degraded`: requests are served, and `reason` says what is missing."""
    redis: Literal["ok", "memory_short"] = "ok"
    worker: Literal["ok", "lost", "unknown"] = "unknown"
    jobs = jobs_of(request)
    reasons: list[str] = []
    try:
        if denied := await jobs.denied():
            return _unhealthy({"status": "unhealthy", "redis": "denied", "worker": worker, "reason": denied})
        workers = await jobs.workers()
        worker = "ok" if workers else "lost"
        if await jobs.memory_short():
            redis = "memory_short"
            reasons.append("Redis' memory is short: results of ended jobs are deleted before their time.")
        # Workers on one Redis mostly have the same settings.
        reasons += dict.fromkeys(text for each in workers for text in each.trouble)
    except RedisDenied as error:
        return _unhealthy(
            {"status": "unhealthy", "redis": "denied", "worker": worker, "reason": error.message}
        )
    except ServiceUnavailable:
        return _unhealthy({"status": "unhealthy", "redis": "lost", "worker": worker})
    if worker != "ok":
        return _unhealthy({"status": "unhealthy", "redis": redis, "worker": worker})
    body: Health = {"status": "healthy"}
    if reasons:
        body = {"status": "degraded", "redis": redis, "worker": worker, "reason": " ".join(reasons)}
    return json_response(body)


def _unhealthy(body: Health) -> Response:
    return json_response(body, 503, {"retry-after": "2"})


RESOURCE = Resource(NATIVE, routers=(router,))
