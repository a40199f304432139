"""Makes the job of a completion and its answer, also in dialects whose completions are OpenAI's with more fields.

It knows no route.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from api.dispatch.job_stream import stream
from api.dispatch.prepared import Prepared
from api.dispatch.renderers import Renderer
from api.dispatch.run import run
from api.dispatch.submission import job_request, model_of
from api.http.bodies.body import Body
from api.http.job_options.prefer import preference
from api.http.routes.dialect import Dialect
from api.openai.completions.render import CompletionFrames, CompletionMeta
from api.openai.completions.schema import CompletionRequest
from jobs.client import Submission
from jobs.kinds import Kind
from jobs.results import TextResult
from mlxq.catalog import ModelRef

M = TypeVar("M", bound=CompletionMeta)
N = TypeVar("N", bound=CompletionMeta, contravariant=True)


class MakeFrames(Protocol[N]):
    """Begins the stream of a job."""

    def __call__(self, job_id: str, meta: N, *, choices: int) -> CompletionFrames: ...


async def prepare_completion(
    request: Request,
    body: Body[CompletionRequest],
    dialect: Dialect,
    note: Callable[[CompletionRequest, ModelRef], CompletionMeta],
) -> Prepared[CompletionRequest]:
    """The job. `note`: what its answer needs to know of the request."""
    wanted = body.value
    ref = await model_of(request, wanted.model, adapters=wanted.adapters)
    payload = wanted.payload(ref.alias.max_tokens if ref.alias is not None else None)
    if ref.alias is not None:
        payload = ref.alias.fill(payload)
    preferred = preference(request.headers, background=bool(wanted.background))
    job = job_request(
        request,
        dialect=dialect,
        kind=Kind.COMPLETION,
        model=ref,
        payload=payload,
        meta=note(wanted, ref),
        preference=preferred,
        asked=wanted,
        stream=bool(wanted.stream),
    )
    return Prepared(wanted, job, preferred, body.headers)


async def answer_completion(
    request: Request,
    made: Prepared[CompletionRequest],
    renderer: Renderer[M, TextResult],
    make: MakeFrames[M],
) -> Response:
    """The completion, its stream, or 202 with the job."""
    wanted = made.asked
    if wanted.stream and made.preference.wait != 0:

        def frames(accepted: Submission) -> CompletionFrames:
            return make(accepted.job_id, renderer.noted(accepted.meta), choices=wanted.choices)

        return stream(request, made.job, frames, made.headers)
    return await run(request, made.job, made.preference, made.headers)
