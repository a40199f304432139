"""Makes the job of a chat and its answer, also in dialects whose chats are OpenAI's with more fields.

It knows no route.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response

from api.dispatch.job_stream import stream
from api.dispatch.prepared import Prepared
from api.dispatch.renderers import Renderer
from api.dispatch.run import run
from api.dispatch.submission import job_request, model_of
from api.http.bodies.body import Body
from api.http.context import context_of, jobs_of
from api.http.job_options.prefer import preference
from api.http.routes.dialect import Dialect
from api.inputs.settling import settle
from api.openai.chat.render import ChatFrames, ChatMeta
from api.openai.chat.schema import ChatRequest
from jobs.client import Submission
from jobs.errors import ModelNotFound
from jobs.kinds import Kind
from jobs.results import TextResult
from mlxq.catalog import ModelRef

M = TypeVar("M", bound=ChatMeta)
N = TypeVar("N", bound=ChatMeta, contravariant=True)


class MakeFrames(Protocol[N]):
    """Begins the stream of a job."""

    def __call__(self, job_id: str, meta: N, *, choices: int) -> ChatFrames: ...


async def prepare_chat(
    request: Request,
    body: Body[ChatRequest],
    dialect: Dialect,
    note: Callable[[ChatRequest, ModelRef], ChatMeta],
) -> Prepared[ChatRequest]:
    """The job. `note`: what its answer needs to know of the request."""
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
        dialect=dialect,
        kind=Kind.CHAT,
        model=ref,
        payload=payload,
        meta=note(chat, ref),
        preference=preferred,
        asked=chat,
        stream=bool(chat.stream),
    )
    return Prepared(chat, job, preferred, headers)


async def answer_chat(
    request: Request,
    made: Prepared[ChatRequest],
    renderer: Renderer[M, TextResult],
    make: MakeFrames[M],
) -> Response:
    """The completion, its stream, or 202 with the job."""
    chat = made.asked
    if chat.stream and made.preference.wait != 0:

        def frames(accepted: Submission) -> ChatFrames:
            begun = make(accepted.job_id, renderer.noted(accepted.meta), choices=chat.n or 1)
            begun.keep_alive_chunks = context_of(request).settings.chat_keep_alives == "chunks"
            return begun

        return stream(request, made.job, frames, made.headers)
    return await run(request, made.job, made.preference, made.headers)


async def _draft_model(request: Request, name: str) -> str:
    """The id of the model that guesses ahead, which must be installed. Raises ModelNotFound."""
    try:
        ref = await context_of(request).resolve(jobs_of(request), name)
        if not ref.installed:
            raise ModelNotFound(f"The model '{name}' is not installed; POST /v1/models/download fetches it.")
        return ref.id
    except ModelNotFound as error:
        raise ModelNotFound(error.message, param="draft_model") from None
