"""`POST /completion`."""

from fastapi import APIRouter, Request, Response

from api.dispatch.job_schema import by_job
from api.dispatch.job_stream import stream
from api.dispatch.renderers import Renderer
from api.dispatch.resource import Resource
from api.dispatch.run import run
from api.dispatch.submission import job_request, model_of
from api.http.bodies.body import read_body
from api.http.job_options.prefer import preference
from api.http.openapi import streams, takes
from api.llamacpp.completion.render import LlamaCompletion, LlamaFrames, llama_completion
from api.llamacpp.completion.schema import LlamaCompletionRequest
from api.llamacpp.dialect import LLAMACPP, USUAL_MODEL
from jobs.client import Submission
from jobs.kinds import Kind
from jobs.meta import Meta

COMPLETION = Renderer(LLAMACPP, Kind.COMPLETION, Meta, llama_completion)

router = APIRouter(tags=["llamacpp"])


@router.post(
    "/completion",
    summary="Go on with a text, in llama.cpp's shape",
    response_class=Response,
    openapi_extra=takes(LlamaCompletionRequest) | by_job(LlamaCompletion) | streams(LlamaCompletion),
)
async def completion(request: Request) -> Response:
    body = await read_body(request, LlamaCompletionRequest)
    wanted = body.value
    ref = await model_of(request, wanted.model)
    payload = wanted.payload()
    if ref.alias is not None:
        payload = ref.alias.fill(payload)
    preferred = preference(request.headers)
    job = job_request(
        request,
        dialect=LLAMACPP,
        kind=Kind.COMPLETION,
        model=ref,
        payload=payload,
        meta=Meta(model=ref.id if wanted.model == USUAL_MODEL else wanted.model),
        preference=preferred,
        stream=wanted.stream,
    )
    if wanted.stream and preferred.wait != 0:

        def frames(accepted: Submission) -> LlamaFrames:
            return LlamaFrames(COMPLETION.noted(accepted.meta))

        return stream(request, job, frames, body.headers)
    return await run(request, job, preferred, body.headers)


RESOURCE = Resource(LLAMACPP, routers=(router,), renderers=(COMPLETION,))
