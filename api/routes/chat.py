"""`POST /v1/chat/completions`."""

import time

from fastapi import APIRouter, Request, Response

from api.body import read_body
from api.chat_stream import ChatStream
from api.context import context_of
from api.openapi import takes
from api.prefer import preference
from api.run import run
from api.schemas.chat import ChatRequest
from api.streaming import EventStream
from api.submission import job_request
from jobs.request import Category, Kind

router = APIRouter(tags=["chat"])


@router.post(
    "/v1/chat/completions",
    summary="Complete a chat",
    response_class=Response,
    openapi_extra=takes(ChatRequest),
)
async def chat_completions(request: Request) -> Response:
    body = await read_body(request, ChatRequest)
    chat = body.value
    ref = await context_of(request).resolve(chat.model)
    preferred = preference(request.headers, background=bool(chat.background))
    job = job_request(
        request,
        category=Category.LLM,
        kind=Kind.CHAT,
        model=ref.id,
        raw=body.raw,
        payload=chat.payload(),
        meta={"model": chat.model, "created": int(time.time()), "include_usage": chat.include_usage},
        preference=preferred,
        stream=bool(chat.stream),
    )
    if chat.stream and preferred.wait != 0:
        return EventStream(ChatStream(request, job, chat.include_usage), body.headers)
    return await run(request, job, preferred, body.headers)
