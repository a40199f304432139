"""`POST /api/v0/chat/completions`, `/api/v0/completions` and `/api/v0/embeddings`."""

from fastapi import APIRouter, Request, Response

from api.dispatch.job_schema import by_job
from api.dispatch.renderers import Renderer
from api.dispatch.resource import Resource
from api.http.bodies.body import Body, read_body
from api.http.openapi import streams, takes
from api.lmstudio.dialect import LMSTUDIO
from api.lmstudio.text.answer import (
    LmStudioChat,
    LmStudioChatChunk,
    LmStudioCompletion,
    LmStudioCompletionChunk,
)
from api.lmstudio.text.render import (
    LmStudioChatFrames,
    LmStudioChatMeta,
    LmStudioCompletionFrames,
    LmStudioCompletionMeta,
    MadeBy,
    lmstudio_chat,
    lmstudio_completion,
)
from api.lmstudio.text.schema import (
    LmStudioChatRequest,
    LmStudioCompletionRequest,
    LmStudioEmbeddingRequest,
)
from api.openai.chat.answer import answer_chat, prepare_chat
from api.openai.chat.schema import ChatRequest
from api.openai.completions.answer import answer_completion, prepare_completion
from api.openai.completions.schema import CompletionRequest
from api.openai.embeddings.answer import answer_embeddings, prepare_embeddings
from api.openai.embeddings.render import EmbeddingMeta, embedding_list
from api.openai.embeddings.schema import EmbeddingList
from jobs.kinds import Kind
from mlxq.catalog import ModelRef

CHAT = Renderer(LMSTUDIO, Kind.CHAT, LmStudioChatMeta, lmstudio_chat)
COMPLETION = Renderer(LMSTUDIO, Kind.COMPLETION, LmStudioCompletionMeta, lmstudio_completion)
EMBEDDING = Renderer(LMSTUDIO, Kind.EMBEDDING, EmbeddingMeta, embedding_list, slow=True)

router = APIRouter(tags=["lmstudio"])


@router.post(
    "/api/v0/chat/completions",
    summary="Complete a chat, in LM Studio's shape",
    response_class=Response,
    openapi_extra=takes(LmStudioChatRequest) | by_job(LmStudioChat) | streams(LmStudioChatChunk),
)
async def chat(request: Request) -> Response:
    body: Body[ChatRequest] = await read_body(request, LmStudioChatRequest)
    made = await prepare_chat(request, body, LMSTUDIO, _chat_note)
    return await answer_chat(request, made, CHAT, LmStudioChatFrames)


@router.post(
    "/api/v0/completions",
    summary="Go on with a text, in LM Studio's shape",
    response_class=Response,
    openapi_extra=takes(LmStudioCompletionRequest)
    | by_job(LmStudioCompletion)
    | streams(LmStudioCompletionChunk),
)
async def completions(request: Request) -> Response:
    body: Body[CompletionRequest] = await read_body(request, LmStudioCompletionRequest)
    made = await prepare_completion(request, body, LMSTUDIO, _completion_note)
    return await answer_completion(request, made, COMPLETION, LmStudioCompletionFrames)


@router.post(
    "/api/v0/embeddings",
    summary="Turn texts into vectors, as LM Studio's clients ask for them",
    response_class=Response,
    openapi_extra=takes(LmStudioEmbeddingRequest) | by_job(EmbeddingList),
)
async def embeddings(request: Request) -> Response:
    made = await prepare_embeddings(request, LMSTUDIO, LmStudioEmbeddingRequest)
    return await answer_embeddings(request, made)


def _chat_note(chat: ChatRequest, ref: ModelRef) -> LmStudioChatMeta:
    return LmStudioChatMeta(
        model=chat.model, include_usage=chat.include_usage, legacy=chat.legacy, made_by=MadeBy.of(ref)
    )


def _completion_note(wanted: CompletionRequest, ref: ModelRef) -> LmStudioCompletionMeta:
    return LmStudioCompletionMeta(
        model=wanted.model, include_usage=wanted.include_usage, made_by=MadeBy.of(ref)
    )


RESOURCE = Resource(LMSTUDIO, routers=(router,), renderers=(CHAT, COMPLETION, EMBEDDING))
