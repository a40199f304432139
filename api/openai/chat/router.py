"""`POST /v1/chat/completions`."""

from fastapi import APIRouter, Request, Response
from msgspec import structs

from api.dispatch.job_schema import by_job
from api.dispatch.job_stream import stream
from api.dispatch.prepared import Batched, Prepared
from api.dispatch.renderers import Renderer
from api.dispatch.resource import Resource
from api.dispatch.run import run
from api.dispatch.submission import job_request, model_of
from api.http.body import read_body
from api.http.context import context_of, jobs_of
from api.http.openapi import streams, takes
from api.http.prefer import preference
from api.inputs.settling import settle
from api.openai.chat.completion import ChatChunk, ChatCompletion
from api.openai.chat.render import ChatFrames, ChatMeta, chat_completion
from api.openai.chat.schema import ChatRequest
from api.openai.dialect import OPENAI
from jobs.client import Submission
from jobs.errors import ModelNotFound
from jobs.kinds import Kind

CHAT = Renderer(OPENAI, Kind.CHAT, ChatMeta, chat_completion)

router = APIRouter(tags=["chat"])


@router.post(
    "/v1/chat/completions",
    summary="Complete a chat",
    response_class=Response,
    openapi_extra=takes(ChatRequest) | by_job(ChatCompletion) | streams(ChatChunk),
)
async def chat_completions(request: Request) -> Response:
    made = await prepare(request)
    chat = made.asked
    if chat.stream and made.preference.wait != 0:

        def frames(accepted: Submission) -> ChatFrames:
            return ChatFrames(accepted.job_id, CHAT.noted(accepted.meta), choices=chat.n or 1)

        return stream(request, made.job, frames, made.headers)
    return await run(request, made.job, made.preference, made.headers)


async def prepare(request: Request) -> Prepared[ChatRequest]:
    """The job of a request for a chat."""
    body = await read_body(request, ChatRequest)
    chat = body.value
    ref = await model_of(request, chat.model, adapters=chat.adapters)
    payload = await body.work(chat.payload)
    payload, headers = await settle(request, ref, payload, chat.enforced, body.headers, chat.unheeded)
    if chat.draft_model is not None:
        draft = await _draft_model(request, chat.draft_model)
        payload = structs.replace(payload, draft_model=draft)
    preferred = preference(request.headers, background=bool(chat.background))
    job = job_request(
        request,
        dialect=OPENAI,
        kind=Kind.CHAT,
        model=ref,
        payload=payload,
        meta=ChatMeta(model=chat.model, include_usage=chat.include_usage, legacy=chat.legacy),
        preference=preferred,
        service_class=chat.service_class,
        stream=bool(chat.stream),
    )
    return Prepared(chat, job, preferred, headers)


async def _draft_model(request: Request, name: str) -> str:
    """The id of the model that guesses ahead, which must be installed. Raises ModelNotFound."""
    try:
        ref = await context_of(request).resolve(jobs_of(request), name)
        if not ref.installed:
            raise ModelNotFound(f"The model '{name}' is not installed; POST /v1/models/download fetches it.")
        return ref.id
    except ModelNotFound as error:
        raise ModelNotFound(error.message, param="draft_model") from None


RESOURCE = Resource(
    OPENAI,
    routers=(router,),
    renderers=(CHAT,),
    batched={"/v1/chat/completions": Batched(prepare, CHAT)},
)
