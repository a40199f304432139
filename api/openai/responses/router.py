"""`POST /v1/responses`, and what can be asked of responses afterwards (`stored.py`)."""

from collections.abc import Mapping
from typing import Literal

from fastapi import APIRouter, Request, Response
from msgspec import structs
from typing_extensions import TypedDict

from api.dispatch.counting import tokens_of
from api.dispatch.job_schema import by_job
from api.dispatch.job_stream import stream
from api.dispatch.prepared import Batched, Prepared
from api.dispatch.renderers import Renderer
from api.dispatch.resource import Resource
from api.dispatch.run import run
from api.dispatch.submission import job_request, model_of
from api.http.answers.json_response import json_response
from api.http.answers.warning import with_noted
from api.http.bodies.body import read_body
from api.http.context import jobs_of
from api.http.job_options.prefer import Preference, preference
from api.http.openapi import gives, streams, takes
from api.inputs.settling import read_files, settle
from api.openai.responses import answer, compact, stored
from api.openai.responses.before import ask_of
from api.openai.responses.dialect import PREFIX, RESPONSES
from api.openai.responses.events import ResponseEvent
from api.openai.responses.frames import ResponseFrames
from api.openai.responses.render import Rendered, ResponseMeta, noted, response_body
from api.openai.responses.schema import Asked, ResponseRequest
from api.openai.responses.store import packed
from jobs.client import Submission
from jobs.errors import InvalidRequest
from jobs.kinds import Kind
from jobs.request import JobRequest

RESPONSE = Renderer(
    RESPONSES, Kind.CHAT, ResponseMeta, response_body, name="response", prefix=PREFIX, family="response"
)

router = APIRouter(tags=["responses"])


@router.post(
    "/v1/responses",
    summary="Make a response",
    response_class=Response,
    openapi_extra=takes(ResponseRequest) | by_job(answer.Response) | streams(ResponseEvent),
)
async def create_response(request: Request) -> Response:
    """With `background` the response is returned at once, and can be asked for until it is made."""
    made = await prepare(request)
    asked, job, headers = made.asked, made.job, made.headers
    if asked.stream and made.preference.wait != 0:

        def frames(accepted: Submission) -> ResponseFrames:
            return ResponseFrames(accepted.job_id, RESPONSE.noted(accepted.meta))

        return stream(request, job, frames, headers, keep=bool(asked.background))
    if asked.background:
        return await _in_background(request, job, headers)
    return await run(request, job, made.preference, headers)


async def prepare(request: Request) -> Prepared[ResponseRequest]:
    """The job of a request for a response."""
    body = await read_body(request, ResponseRequest)
    asked = body.value
    if asked.background and not asked.stored:
        raise InvalidRequest("Invalid 'background': it needs 'store' to be true.", param="background")
    preferred = preference(request.headers)
    ref = await model_of(request, asked.model)
    ask = await ask_of(request, body)
    payload = await body.work(ask.payload)
    payload, headers = await settle(request, ref, payload, ask.enforced, body.headers, ask.unheeded)
    kept = await body.work(lambda: packed(body.raw, asked.previous_response_id)) if asked.stored else ""
    meta = await body.work(lambda: noted(asked, ask, body.raw, payload, ref.card))
    job = job_request(
        request,
        dialect=RESPONSES,
        kind=Kind.CHAT,
        model=ref,
        payload=payload,
        meta=meta,
        preference=Preference(0.0) if asked.background else preferred,
        asked=asked,
        stream=bool(asked.stream),
        kept=kept,
        # What a response repeats, and whether it is stored, is told by its job.
        identity=bytes(meta.echo),
    )
    return Prepared(asked, job, preferred, headers)


async def _in_background(request: Request, job: JobRequest, headers: Mapping[str, str]) -> Response:
    submission, headers = await jobs_of(request).enqueue(job), with_noted(request, headers)
    request.state.request_id = submission.job_id
    if submission.attached:
        return json_response(await stored.standing(request, submission.job_id), headers=headers)
    rendered = Rendered(submission.job_id, RESPONSE.noted(structs.replace(job.meta)))
    return json_response(rendered.response("queued", []), headers=headers)


class InputTokens(TypedDict):
    object: Literal["response.input_tokens"]
    input_tokens: int


@router.post(
    "/v1/responses/input_tokens",
    summary="Count the tokens of a response's input",
    response_class=Response,
    openapi_extra=takes(Asked) | gives(InputTokens),
)
async def input_tokens(request: Request) -> Response:
    """By the model's own template and tokenizer, without waiting for the queue. Images are not counted."""
    body = await read_body(request, Asked)
    ref = await model_of(request, body.value.model)
    ask = await ask_of(request, body)
    payload = await body.work(ask.payload)
    await read_files(request, payload)
    found: InputTokens = {
        "object": "response.input_tokens",
        "input_tokens": await tokens_of(request, ref, payload),
    }
    return json_response(found)


RESOURCE = Resource(
    RESPONSES,
    routers=(router, stored.router, compact.router),
    renderers=(RESPONSE, compact.COMPACTION),
    # Their answers are in the output of the batch, and nowhere else.
    batched={"/v1/responses": Batched(prepare, RESPONSE, fixed={"background": False, "store": False})},
)
