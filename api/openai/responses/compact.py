"""`POST /v1/responses/compact`: a conversation made short by its model, as one item that stands for all of it."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from msgspec import structs
from typing_extensions import TypedDict

from api.dispatch.job_schema import by_job
from api.dispatch.renderers import Answered, Renderer
from api.dispatch.run import run
from api.dispatch.submission import job_request, model_of
from api.http.bodies.body import read_body
from api.http.job_options.prefer import preference
from api.http.openapi import takes
from api.inputs.opaque import sealed
from api.inputs.settling import settle
from api.openai.dialect import OpenAi
from api.openai.responses.answer import ResponseUsage
from api.openai.responses.before import ask_of
from api.openai.responses.dialect import PREFIX
from api.openai.responses.output import item_id
from api.openai.responses.render import used
from api.openai.responses.schema import Asked
from jobs.kinds import Kind
from jobs.meta import Meta
from jobs.results import TextResult

#: What the model is asked for, and what comes before its answer where that is read again.
_ASK = (
    "The conversation so far is about to be replaced by a summary, and will go on from it. Write that summary: "
    "what the user wants and has said, what was done and found out, with names of files, identifiers and figures, "
    "what was decided, and what is still to be done. Write nothing else."
)
_READ = "A summary of our conversation so far:\n\n"


class CompactionOutput(TypedDict):
    id: str
    type: Literal["compaction"]
    encrypted_content: str


class Compaction(TypedDict):
    """`output` takes the place of the input that was compacted."""

    id: str
    object: Literal["response.compaction"]
    created_at: int
    output: list[CompactionOutput]
    usage: ResponseUsage


class CompactRequest(Asked):
    """A conversation to make short."""


def compaction(job: Answered[Meta, TextResult]) -> Compaction:
    summary = job.result.choices[0].text
    return {
        "id": job.job_id,
        "object": "response.compaction",
        "created_at": job.meta.created,
        "output": [
            {
                "id": item_id(job.job_id, "cmp", 0),
                "type": "compaction",
                "encrypted_content": sealed(_READ + summary),
            }
        ],
        "usage": used(job.result.usage),
    }


COMPACTIONS = OpenAi("openai-compactions")
COMPACTION = Renderer(COMPACTIONS, Kind.CHAT, Meta, compaction, name="compaction", prefix=PREFIX)

router = APIRouter(tags=["responses"])


@router.post(
    "/v1/responses/compact",
    summary="Make a conversation short",
    response_class=Response,
    openapi_extra=takes(CompactRequest) | by_job(Compaction),
)
async def compact(request: Request) -> Response:
    """The item in `output` can be sent in the place of all items that it was made of."""
    body = await read_body(request, CompactRequest)
    ref = await model_of(request, body.value.model)
    ask = await ask_of(request, body)
    payload = await body.work(ask.payload)
    # Nothing is called on the way: tools would only be read.
    messages = [*payload.messages, {"role": "user", "content": _ASK}]
    payload = structs.replace(payload, messages=messages, tools=None, tool_choice=None, grammar=None)
    payload, headers = await settle(request, ref, payload, (), body.headers, ask.unheeded)
    preferred = preference(request.headers, background=bool(body.value.background))
    job = job_request(
        request,
        dialect=COMPACTIONS,
        kind=Kind.CHAT,
        model=ref,
        payload=payload,
        meta=Meta(model=body.value.model),
        preference=preferred,
        asked=body.value,
    )
    return await run(request, job, preferred, headers)
