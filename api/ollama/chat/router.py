"""`POST /api/chat` and `/api/generate`."""

from fastapi import APIRouter, Request, Response

from api.dispatch.job_schema import by_job
from api.dispatch.job_stream import stream
from api.dispatch.renderers import Renderer
from api.dispatch.resource import Resource
from api.dispatch.run import run
from api.dispatch.submission import job_request
from api.http.bodies.body import Body, read_body
from api.http.job_options.prefer import preference
from api.http.openapi import streams_lines, takes
from api.inputs.settling import settle
from api.ollama.chat.answer import OllamaChat, OllamaGenerated
from api.ollama.chat.render import AskedMeta, OllamaFrames, answer
from api.ollama.chat.schema import OllamaChatRequest, OllamaGenerateRequest
from api.ollama.dialect import LINES, OLLAMA, named
from api.ollama.loading import LOADS, change
from jobs.client import Submission
from jobs.kinds import Kind
from jobs.payloads import ChatPayload, CompletionPayload
from mlxq.catalog import ModelRef

CHAT = Renderer(OLLAMA, Kind.CHAT, AskedMeta, answer)
COMPLETION = Renderer(OLLAMA, Kind.COMPLETION, AskedMeta, answer)
router = APIRouter(tags=["ollama"])


@router.post(
    "/api/chat",
    summary="Chat, in Ollama's shape",
    response_class=Response,
    openapi_extra=takes(OllamaChatRequest) | by_job(OllamaChat) | streams_lines(OllamaChat),
)
async def chat(request: Request) -> Response:
    body = await read_body(request, OllamaChatRequest)
    if not body.value.messages:
        return await change(request, "chat", body.value, body.headers)
    ref = await named(request, body.value.model)
    payload = await body.work(body.value.payload)
    return await _answered(request, body, ref, payload, chat=True)


@router.post(
    "/api/generate",
    summary="Complete a prompt, in Ollama's shape",
    response_class=Response,
    openapi_extra=takes(OllamaGenerateRequest) | by_job(OllamaGenerated) | streams_lines(OllamaGenerated),
)
async def generate(request: Request) -> Response:
    body = await read_body(request, OllamaGenerateRequest)
    if not body.value.prompt:
        return await change(request, "generate", body.value, body.headers)
    ref = await named(request, body.value.model)
    payload = await body.work(body.value.payload)
    return await _answered(request, body, ref, payload, chat=False)


async def _answered(
    request: Request,
    body: Body[OllamaChatRequest] | Body[OllamaGenerateRequest],
    ref: ModelRef,
    payload: ChatPayload | CompletionPayload,
    *,
    chat: bool,
) -> Response:
    asked, headers = body.value, body.headers
    kind = Kind.COMPLETION
    if isinstance(payload, ChatPayload):
        kind = Kind.CHAT
        payload, headers = await settle(request, ref, payload, asked.enforced, headers)
    elif ref.alias is not None:
        payload = ref.alias.fill(payload)
    preferred = preference(request.headers)
    job = job_request(
        request,
        dialect=OLLAMA,
        kind=kind,
        model=ref,
        payload=payload,
        meta=AskedMeta(model=asked.model, chat=chat, thoughts=asked.think is not False),
        preference=preferred,
        asked=asked,
        stream=asked.stream,
    )
    if asked.stream and preferred.wait != 0:

        def frames(accepted: Submission) -> OllamaFrames:
            return OllamaFrames(CHAT.noted(accepted.meta))

        return stream(request, job, frames, headers, content=LINES)
    return await run(request, job, preferred, headers)


RESOURCE = Resource(OLLAMA, routers=(router,), renderers=(CHAT, COMPLETION, *LOADS))
