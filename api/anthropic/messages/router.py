"""`POST /v1/messages`."""

from fastapi import APIRouter, Depends, Request, Response
from msgspec import structs

from api.anthropic.dialect import ANTHROPIC
from api.anthropic.messages.answer import AnthropicMessage, MessageEvent, TokenCount
from api.anthropic.messages.frames import MessageFrames
from api.anthropic.messages.render import MessageMeta, message
from api.anthropic.messages.schema import Conversation, MessagesRequest
from api.anthropic.route import named
from api.dispatch.counting import tokens_of
from api.dispatch.job_schema import by_job
from api.dispatch.job_stream import stream
from api.dispatch.prepared import Batched, Prepared
from api.dispatch.renderers import Renderer
from api.dispatch.resource import Resource
from api.dispatch.run import run
from api.dispatch.submission import job_request, model_of
from api.http.answers.json_response import json_response
from api.http.bodies.body import read_body
from api.http.context import context_of
from api.http.job_options.prefer import preference
from api.http.openapi import gives, streams, takes
from api.inputs.settling import read_files, settle
from api.inputs.volatile import without_volatile
from jobs.client import Submission
from jobs.kinds import Kind

MESSAGE = Renderer(ANTHROPIC, Kind.CHAT, MessageMeta, message, name="message", prefix="msg_")

router = APIRouter(tags=["messages"], dependencies=[Depends(named)])


@router.post(
    "/v1/messages",
    summary="Answer a message, in Anthropic's shape",
    response_class=Response,
    openapi_extra=takes(MessagesRequest) | by_job(AnthropicMessage) | streams(MessageEvent),
)
async def create_message(request: Request) -> Response:
    made = await prepare(request)
    if made.asked.stream and made.preference.wait != 0:

        def frames(accepted: Submission) -> MessageFrames:
            return MessageFrames(accepted.job_id, MESSAGE.noted(accepted.meta))

        return stream(request, made.job, frames, made.headers)
    return await run(request, made.job, made.preference, made.headers)


async def prepare(request: Request) -> Prepared[MessagesRequest]:
    """The job of a request for a message."""
    body = await read_body(request, MessagesRequest)
    asked = body.value
    asked.check()
    ref = await model_of(request, asked.model)
    payload = await body.work(asked.payload)
    payload, headers = await settle(request, ref, payload, asked.enforced, body.headers, asked.unheeded)
    preferred = preference(request.headers, background=bool(asked.background))
    meta = MessageMeta(
        model=asked.model,
        thoughts=asked.thinks is not False,
        shown=asked.shows_thoughts,
        max_tokens=asked.max_tokens,
        tier=asked.served_tier,
    )
    job = job_request(
        request,
        dialect=ANTHROPIC,
        kind=Kind.CHAT,
        model=ref,
        payload=payload,
        meta=meta,
        preference=preferred,
        asked=asked,
        stream=bool(asked.stream),
    )
    return Prepared(asked, job, preferred, headers)


@router.post(
    "/v1/messages/count_tokens",
    summary="Count the tokens of a message's prompt",
    response_class=Response,
    openapi_extra=takes(Conversation) | gives(TokenCount),
)
async def count_tokens(request: Request) -> Response:
    """By the model's own template and tokenizer, without waiting for the queue. Images are not counted."""
    body = await read_body(request, Conversation)
    body.value.check()
    ref = await model_of(request, body.value.model)
    payload = await body.work(body.value.payload)
    await read_files(request, payload)
    if context_of(request).settings.normalise_prompts:
        payload = structs.replace(payload, messages=without_volatile(payload.messages))
    count: TokenCount = {"input_tokens": await tokens_of(request, ref, payload)}
    return json_response(count)


RESOURCE = Resource(
    ANTHROPIC,
    routers=(router,),
    renderers=(MESSAGE,),
    batched={"/v1/messages": Batched(prepare, MESSAGE, fixed={"service_tier": "batch"})},
)
