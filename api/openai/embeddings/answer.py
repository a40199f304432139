"""Prepares and answers a request for vectors, in any dialect that has OpenAI's. It knows no route."""

from starlette.requests import Request
from starlette.responses import Response

from api.dispatch.prepared import Prepared
from api.dispatch.run import run
from api.http.bodies.body import read_body
from api.http.context import jobs_of
from api.http.job_options.prefer import preference
from api.http.routes.dialect import Dialect
from api.openai.embeddings.job import embedding_job
from api.openai.embeddings.schema import EmbeddingRequest

#: Seconds that vectors are kept once they were delivered, for a client whose connection broke just then. Those of a
#: few large requests would fill Redis.
_DELIVERED = 15


async def prepare_embeddings(
    request: Request, dialect: Dialect, schema: type[EmbeddingRequest] = EmbeddingRequest
) -> Prepared[EmbeddingRequest]:
    """The job."""
    body = await read_body(request, schema)
    wanted = body.value
    preferred = preference(request.headers, background=bool(wanted.background))
    job = await embedding_job(request, wanted, preferred, dialect)
    return Prepared(wanted, job, preferred, body.headers)


async def answer_embeddings(request: Request, made: Prepared[EmbeddingRequest]) -> Response:
    """The list of vectors, or 202 with the job."""
    response = await run(request, made.job, made.preference, made.headers)
    if made.preference.synchronous and made.job.idempotency_scope is None:
        await jobs_of(request).let_go(request.state.request_id, made.job.queue, _DELIVERED)
    return response
