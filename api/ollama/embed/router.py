"""`POST /api/embed`, and `/api/embeddings`, which came before it."""

from typing import Annotated, cast

from fastapi import APIRouter, Request, Response
from pydantic import BeforeValidator, Field, WithJsonSchema

from api.dispatch.job_schema import by_job
from api.dispatch.renderers import Answered, Renderer
from api.dispatch.resource import Resource
from api.dispatch.run import run
from api.dispatch.submission import job_request
from api.http.bodies.body import read_body
from api.http.bodies.fields import Count
from api.http.job_options.prefer import preference
from api.http.openapi import takes
from api.ollama.dialect import OLLAMA, durations, named
from api.ollama.embed.answer import Embedded, EmbeddedPrompt
from api.ollama.loading import change
from api.ollama.request import ModelRequest
from api.openai.embeddings.render import floats
from jobs.kinds import Category, Kind
from jobs.meta import Meta
from jobs.payloads import EmbeddingPayload
from jobs.results import EmbeddingResult

#: Inputs of one request.
_MOST = 2048


def _texts(value: object) -> object:
    if isinstance(value, str):
        return [value] if value else []
    return [] if value is None else value


class EmbedRequest(ModelRequest):
    """Without an input the model is loaded, or unloaded by a `keep_alive` of 0."""

    harmless = frozenset({"options"})

    input: Annotated[
        list[str],
        BeforeValidator(_texts),
        Field(max_length=_MOST),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    ] = Field(default_factory=list)
    dimensions: Count | None = None
    truncate: bool | None = None


class EmbeddingsRequest(ModelRequest):
    """The same with one text."""

    harmless = frozenset({"options"})

    prompt: str = ""


class EmbedMeta(Meta, frozen=True, kw_only=True):
    """`one`: the answer is one vector, without anything else."""

    one: bool = False


def embedded(job: Answered[EmbedMeta, EmbeddingResult]) -> Embedded | EmbeddedPrompt:
    vectors = [floats(each) for each in job.result.embeddings]
    if job.meta.one:
        return {"embedding": vectors[0]}
    return {
        "model": cast(str, job.meta.model),
        "embeddings": vectors,
        **durations(job.result),
        "prompt_eval_count": job.result.usage.prompt_tokens,
    }


router = APIRouter(tags=["ollama"])


@router.post(
    "/api/embed",
    summary="Turn texts into vectors, in Ollama's shape",
    response_class=Response,
    openapi_extra=takes(EmbedRequest) | by_job(Embedded),
)
async def embed(request: Request) -> Response:
    body = await read_body(request, EmbedRequest)
    asked = body.value
    if not asked.input:
        return await change(request, "embed", asked, body.headers, Category.EMBEDDING)
    payload = EmbeddingPayload(
        inputs=list(asked.input),
        dimensions=asked.dimensions,
        # Ollama cuts what is too long unless it is told not to.
        truncate=asked.truncate is not False,
        keep_alive=asked.keep_alive,
    )
    return await _run(request, asked, payload, EmbedMeta(model=asked.model), body.headers)


@router.post(
    "/api/embeddings",
    summary="Turn a text into a vector, in Ollama's older shape",
    response_class=Response,
    openapi_extra=takes(EmbeddingsRequest) | by_job(EmbeddedPrompt),
)
async def embeddings(request: Request) -> Response:
    body = await read_body(request, EmbeddingsRequest)
    asked = body.value
    if not asked.prompt:
        return await change(request, "embeddings", asked, body.headers, Category.EMBEDDING)
    payload = EmbeddingPayload(inputs=[asked.prompt], truncate=True, keep_alive=asked.keep_alive)
    return await _run(request, asked, payload, EmbedMeta(model=asked.model, one=True), body.headers)


async def _run(
    request: Request,
    asked: ModelRequest,
    payload: EmbeddingPayload,
    meta: EmbedMeta,
    headers: dict[str, str],
) -> Response:
    preferred = preference(request.headers)
    job = job_request(
        request,
        dialect=OLLAMA,
        kind=Kind.EMBEDDING,
        model=await named(request, asked.model, Category.EMBEDDING),
        payload=payload,
        meta=meta,
        preference=preferred,
        asked=asked,
    )
    return await run(request, job, preferred, headers)


RESOURCE = Resource(
    OLLAMA, routers=(router,), renderers=(Renderer(OLLAMA, Kind.EMBEDDING, EmbedMeta, embedded, slow=True),)
)
