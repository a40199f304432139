"""Counts the tokens of a chat for a request, without a job: by the model's own template and tokenizer."""

from msgspec import structs
from starlette.requests import Request

from api.http.context import jobs_of
from jobs.counting import count_tokens
from jobs.errors import ModelNotFound
from jobs.payloads import ChatPayload
from mlxq.catalog import ModelRef


async def tokens_of(request: Request, ref: ModelRef, payload: ChatPayload) -> int:
    """The tokens of the prompt that this payload becomes; images are not counted.

    Raises ModelNotFound for a model that is not installed, InvalidRequest for what its template refuses, and
    ServiceUnavailable.
    """
    if not ref.installed:
        raise ModelNotFound(f"The model '{ref.id}' is not installed.", param="model")
    if ref.alias is not None:
        payload = ref.alias.fill(payload)
    messages = [{**message, "content": _text(message["content"])} for message in payload.messages]
    jobs = jobs_of(request)
    return await count_tokens(jobs.redis, jobs.bus, ref.id, structs.replace(payload, messages=messages))


def _text(content: object) -> object:
    if not isinstance(content, list):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")
