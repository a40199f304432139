"""`POST /v1/chat/completions`."""

from fastapi import APIRouter, Request, Response

from api.dispatch.job_schema import by_job
from api.dispatch.prepared import Batched, Prepared
from api.dispatch.renderers import Renderer
from api.dispatch.resource import Resource
from api.http.bodies.body import read_body
from api.http.openapi import streams, takes
from api.openai.chat.answer import answer_chat, prepare_chat
from api.openai.chat.completion import ChatChunk, ChatCompletion
from api.openai.chat.render import ChatFrames, ChatMeta, chat_completion
from api.openai.chat.schema import ChatRequest
from api.openai.dialect import OPENAI
from jobs.kinds import Kind
from mlxq.catalog import ModelRef

CHAT = Renderer(OPENAI, Kind.CHAT, ChatMeta, chat_completion)

router = APIRouter(tags=["chat"])


@router.post(
    "/v1/chat/completions",
    summary="Complete a chat",
    response_class=Response,
    openapi_extra=takes(ChatRequest) | by_job(ChatCompletion) | streams(ChatChunk),
)
async def chat_completions(request: Request) -> Response:
    return await answer_chat(request, await prepare(request), CHAT, ChatFrames)


async def prepare(request: Request) -> Prepared[ChatRequest]:
    """The job of a request for a chat."""
    return await prepare_chat(request, await read_body(request, ChatRequest), OPENAI, _note)


def _note(chat: ChatRequest, ref: ModelRef) -> ChatMeta:
    return ChatMeta(
        model=chat.model,
        include_usage=chat.include_usage,
        legacy=chat.legacy,
        tier=None if chat.service_tier is None else chat.served_tier,
    )


RESOURCE = Resource(
    OPENAI,
    routers=(router,),
    renderers=(CHAT,),
    batched={"/v1/chat/completions": Batched(prepare, CHAT)},
)
