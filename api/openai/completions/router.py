"""`POST /v1/completions`."""

from fastapi import APIRouter, Request, Response

from api.dispatch.job_schema import by_job
from api.dispatch.prepared import Batched, Prepared
from api.dispatch.renderers import Renderer
from api.dispatch.resource import Resource
from api.http.bodies.body import read_body
from api.http.openapi import streams, takes
from api.openai.completions.answer import answer_completion, prepare_completion
from api.openai.completions.completion import Completion, CompletionChunk
from api.openai.completions.render import CompletionFrames, CompletionMeta, text_completion
from api.openai.completions.schema import CompletionRequest
from api.openai.dialect import OPENAI
from jobs.kinds import Kind
from mlxq.catalog import ModelRef

COMPLETION = Renderer(OPENAI, Kind.COMPLETION, CompletionMeta, text_completion)

router = APIRouter(tags=["completions"])


@router.post(
    "/v1/completions",
    summary="Go on with a text",
    response_class=Response,
    openapi_extra=takes(CompletionRequest) | by_job(Completion) | streams(CompletionChunk),
)
async def completions(request: Request) -> Response:
    return await answer_completion(request, await prepare(request), COMPLETION, CompletionFrames)


async def prepare(request: Request) -> Prepared[CompletionRequest]:
    """The job of a request for a completion."""
    return await prepare_completion(request, await read_body(request, CompletionRequest), OPENAI, _note)


def _note(wanted: CompletionRequest, ref: ModelRef) -> CompletionMeta:
    return CompletionMeta(model=wanted.model, include_usage=wanted.include_usage)


RESOURCE = Resource(
    OPENAI,
    routers=(router,),
    renderers=(COMPLETION,),
    batched={"/v1/completions": Batched(prepare, COMPLETION)},
)
