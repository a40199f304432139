"""`GET /metrics`: figures for Prometheus, the same from every API process."""

from fastapi import APIRouter, Request, Response

from api.dispatch.resource import Resource
from api.http.context import context_of, jobs_of
from api.http.openapi import gives_text
from api.native.dialect import NATIVE
from jobs.metrics import read

router = APIRouter(tags=["system"])

#: Prometheus' text format.
TEXT = "text/plain; version=0.0.4; charset=utf-8"


@router.get(
    "/metrics", summary="Figures for Prometheus", response_class=Response, openapi_extra=gives_text(TEXT)
)
async def metrics(request: Request) -> Response:
    # Most installations are never asked.
    from prometheus_client import CollectorRegistry, generate_latest

    from api.native.metrics.families import Figures

    jobs = jobs_of(request)
    await context_of(request).requests.flush(jobs.redis)
    figures = Figures(
        await read(jobs.redis), await jobs.stats(), await jobs.workers(), await jobs.memory_short()
    )
    registry = CollectorRegistry(auto_describe=False)
    registry.register(figures)
    return Response(generate_latest(registry), headers={"content-type": TEXT})


RESOURCE = Resource(NATIVE, routers=(router,))
