"""`GET /` and `GET /health`."""

from fastapi import APIRouter, Request, Response

from api.context import jobs_of
from api.json_response import json_response
from config import VERSION
from jobs.errors import ServiceUnavailable

router = APIRouter(tags=["system"])


@router.get("/", summary="What this is", response_class=Response)
async def root() -> Response:
    return json_response({"name": "mlxq", "version": VERSION, "status": "running"})


@router.get("/health", summary="Can requests be served?", response_class=Response)
async def health(request: Request) -> Response:
    """503 names the part that is lost."""
    redis, worker = "ok", "unknown"
    try:
        worker = "ok" if await jobs_of(request).workers() else "lost"
    except ServiceUnavailable:
        redis = "lost"
    if (redis, worker) == ("ok", "ok"):
        return json_response({"status": "healthy"})
    return json_response({"status": "unhealthy", "redis": redis, "worker": worker}, 503, {"retry-after": "2"})
