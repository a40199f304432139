"""`POST /v1/embeddings`."""

from fastapi import APIRouter, Request, Response

from api.dispatch.job_schema import by_job
from api.dispatch.prepared import Batched, Prepared
from api.dispatch.renderers import Renderer
from api.dispatch.resource import Resource
from api.http.openapi import takes
from api.openai.dialect import OPENAI
from api.openai.embeddings.answer import answer_embeddings, prepare_embeddings
from api.openai.embeddings.render import EmbeddingMeta, embedding_list
from api.openai.embeddings.schema import EmbeddingList, EmbeddingRequest
from jobs.kinds import Kind

router = APIRouter(tags=["embeddings"])


@router.post(
    "/v1/embeddings",
    summary="Turn texts into vectors",
    response_class=Response,
    openapi_extra=takes(EmbeddingRequest) | by_job(EmbeddingList),
)
async def embeddings(request: Request) -> Response:
    return await answer_embeddings(request, await prepare(request))


async def prepare(request: Request) -> Prepared[EmbeddingRequest]:
    """The job of a request for vectors."""
    return await prepare_embeddings(request, OPENAI)


# Thousands of vectors take long to write as numbers.
EMBEDDINGS = Renderer(OPENAI, Kind.EMBEDDING, EmbeddingMeta, embedding_list, slow=True)
RESOURCE = Resource(
    OPENAI,
    routers=(router,),
    renderers=(EMBEDDINGS,),
    batched={"/v1/embeddings": Batched(prepare, EMBEDDINGS)},
)
