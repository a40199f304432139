"""`POST /v1/rerank`, which is `/rerank` and llama.cpp's `/v1/reranking` too, and `/v2/rerank`."""

from fastapi import APIRouter, Request, Response

from api.dispatch.job_schema import by_job
from api.dispatch.renderers import Renderer
from api.dispatch.resource import Resource
from api.dispatch.run import run
from api.dispatch.submission import job_request
from api.http.bodies.body import read_body
from api.http.context import jobs_of
from api.http.job_options.prefer import preference
from api.http.openapi import takes
from api.rerank.dialect import RERANK
from api.rerank.model import ranking_model
from api.rerank.render import RerankNote, ranked
from api.rerank.schema import RerankAnswer, Reranked, RerankRequest
from jobs.kinds import Kind

router = APIRouter(tags=["rerank"])

#: Seconds that ranks are kept once they were delivered, for a client whose connection broke just then: documents may
#: be part of them.
_DELIVERED = 15


@router.post(
    "/v1/reranking",
    summary="Rank documents by a query, by llama.cpp's name",
    response_class=Response,
    openapi_extra=takes(RerankRequest) | by_job(RerankAnswer),
)
@router.post(
    "/v1/rerank",
    summary="Rank documents by a query, in the shape of Jina, Cohere or TEI",
    response_class=Response,
    openapi_extra=takes(RerankRequest) | by_job(RerankAnswer),
)
async def rerank(request: Request) -> Response:
    return await _answered(request, version_2=False)


@router.post(
    "/v2/rerank",
    summary="Rank documents by a query, in Cohere's shape of version 2",
    response_class=Response,
    openapi_extra=takes(RerankRequest) | by_job(Reranked),
)
async def rerank_v2(request: Request) -> Response:
    return await _answered(request, version_2=True)


async def _answered(request: Request, *, version_2: bool) -> Response:
    body = await read_body(request, RerankRequest)
    wanted = body.value
    ref = await ranking_model(request, wanted.model)
    preferred = preference(request.headers)
    payload = wanted.payload(returned=not version_2)
    job = job_request(
        request,
        dialect=RERANK,
        kind=Kind.RERANK,
        model=ref,
        payload=payload,
        meta=RerankNote(
            model=wanted.model,
            shape="v2" if version_2 else "tei" if wanted.is_tei else "v1",
            documents=len(payload.documents),
        ),
        preference=preferred,
        asked=wanted,
    )
    response = await run(request, job, preferred, body.headers)
    if preferred.synchronous and job.idempotency_scope is None:
        await jobs_of(request).let_go(request.state.request_id, job.queue, _DELIVERED)
    return response


RESOURCE = Resource(RERANK, routers=(router,), renderers=(Renderer(RERANK, Kind.RERANK, RerankNote, ranked),))
