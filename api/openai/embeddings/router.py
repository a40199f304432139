"""`POST /v1/embeddings`."""

from fastapi import APIRouter, Request, Response

from api.dispatch.job_schema import by_job
from api.dispatch.prepared import Batched, Prepared
from api.dispatch.renderers import Renderer
from api.dispatch.resource import Resource
from api.dispatch.run import run
from api.http.body import read_body
from api.http.context import jobs_of
from api.http.openapi import takes
from api.http.prefer import preference
from api.openai.dialect import OPENAI
from api.openai.embeddings.job import embedding_job
from api.openai.embeddings.render import EmbeddingMeta, embedding_list
from api.openai.embeddings.schema import EmbeddingList, EmbeddingRequest
from jobs.kinds import Kind

router = APIRouter(tags=["embeddings"])

#: Seconds that vectors are kept once they were delivered, for a client whose connection broke just then. Those of a
#: few large requests would fill Redis.
_DELIVERED = 15


@router.post(
    "/v1/embeddings",
    summary="Turn texts into vectors",
    response_class=Response,
    openapi_extra=takes(EmbeddingRequest) | by_job(EmbeddingList),
)
async def embeddings(request: Request) -> Response:
    made = await prepare(request)
    response = await run(request, made.job, made.preference, made.headers)
    if made.preference.synchronous and made.job.idempotency_scope is None:
        await jobs_of(request).let_go(request.state.request_id, made.job.queue, _DELIVERED)
    return response


async def prepare(request: Request) -> Prepared[EmbeddingRequest]:
    """The job of a request for vectors."""
    body = await read_body(request, EmbeddingRequest)
    wanted = body.value
    preferred = preference(request.headers, background=bool(wanted.background))
    job = await embedding_job(request, wanted, preferred)
    return Prepared(wanted, job, preferred, body.headers)


# Thousands of vectors take long to write as numbers.
EMBEDDINGS = Renderer(OPENAI, Kind.EMBEDDING, EmbeddingMeta, embedding_list, slow=True)
RESOURCE = Resource(
    OPENAI,
    routers=(router,),
    renderers=(EMBEDDINGS,),
    batched={"/v1/embeddings": Batched(prepare, EMBEDDINGS)},
)
