"""`POST /v1/completions`."""

from fastapi import APIRouter, Request, Response

from api.dispatch.job_schema import by_job
from api.dispatch.job_stream import stream
from api.dispatch.prepared import Batched, Prepared
from api.dispatch.renderers import Renderer
from api.dispatch.resource import Resource
from api.dispatch.run import run
from api.dispatch.submission import job_request, model_of
from api.http.body import read_body
from api.http.openapi import streams, takes
from api.http.prefer import preference
from api.openai.completions.completion import Completion, CompletionChunk
from api.openai.completions.render import CompletionFrames, CompletionMeta, text_completion
from api.openai.completions.schema import CompletionRequest
from api.openai.dialect import OPENAI
from jobs.client import Submission
from jobs.kinds import Kind

COMPLETION = Renderer(OPENAI, Kind.COMPLETION, CompletionMeta, text_completion)

router = APIRouter(tags=["completions"])


@router.post(
    "/v1/completions",
    summary="Go on with a text",
    response_class=Response,
    openapi_extra=takes(CompletionRequest) | by_job(Completion) | streams(CompletionChunk),
)
async def completions(request: Request) -> Response:
    made = await prepare(request)
    if made.asked.stream and made.preference.wait != 0:

        def frames(accepted: Submission) -> CompletionFrames:
            noted = COMPLETION.noted(accepted.meta)
            return CompletionFrames(accepted.job_id, noted, choices=made.asked.choices)

        return stream(request, made.job, frames, made.headers)
    return await run(request, made.job, made.preference, made.headers)


async def prepare(request: Request) -> Prepared[CompletionRequest]:
    """The job of a request for a completion."""
    body = await read_body(request, CompletionRequest)
    wanted = body.value
    ref = await model_of(request, wanted.model, adapters=wanted.adapters)
    payload = wanted.payload(ref.alias.max_tokens if ref.alias is not None else None)
    if ref.alias is not None:
        payload = ref.alias.fill(payload)
    preferred = preference(request.headers, background=bool(wanted.background))
    job = job_request(
        request,
        dialect=OPENAI,
        kind=Kind.COMPLETION,
        model=ref,
        payload=payload,
        meta=CompletionMeta(model=wanted.model, include_usage=wanted.include_usage),
        preference=preferred,
        service_class=wanted.service_class,
        stream=bool(wanted.stream),
    )
    return Prepared(wanted, job, preferred, body.headers)


RESOURCE = Resource(
    OPENAI,
    routers=(router,),
    renderers=(COMPLETION,),
    batched={"/v1/completions": Batched(prepare, COMPLETION)},
)
