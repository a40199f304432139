"""From a request for vectors to its job."""

from starlette.requests import Request

from api.dispatch.submission import job_request, model_of
from api.http.job_options.prefer import Preference
from api.http.routes.dialect import Dialect
from api.openai.dialect import OPENAI
from api.openai.embeddings.render import EmbeddingMeta
from api.openai.embeddings.schema import EmbeddingRequest
from jobs.kinds import Category, Kind
from jobs.request import JobRequest


async def embedding_job(
    request: Request, wanted: EmbeddingRequest, preference: Preference, dialect: Dialect = OPENAI
) -> JobRequest:
    """The job. Raises InvalidRequest and ModelNotFound."""
    return job_request(
        request,
        dialect=dialect,
        kind=Kind.EMBEDDING,
        model=await model_of(request, wanted.model, Category.EMBEDDING),
        payload=wanted.payload(),
        meta=EmbeddingMeta(model=wanted.model, encoding_format=wanted.encoding_format or "float"),
        preference=preference,
        asked=wanted,
    )
