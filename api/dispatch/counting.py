"""Counts the tokens of a chat for a request, without a job: by the model's own template and tokenizer."""

from msgspec import structs
from starlette.requests import Request

from api.dispatch.tokenizers import ask_tokenizer
from jobs.payloads import ChatPayload
from jobs.questions import Count, Counted
from mlxq.catalog import ModelRef


async def tokens_of(request: Request, ref: ModelRef, payload: ChatPayload) -> int:
    """The tokens of the prompt that this payload becomes; images are not counted.

    Raises ModelNotFound for a model that is not installed, InvalidRequest for what its template refuses, and
    ServiceUnavailable.
    """
    return (await ask_tokenizer(request, ref, Count(plain_chat(ref, payload)), Counted)).tokens


def plain_chat(ref: ModelRef, payload: ChatPayload) -> ChatPayload:
    """A chat as a tokenizer gets it: with what an alias says, and without images."""
    if ref.alias is not None:
        payload = ref.alias.fill(payload)
    messages = [{**message, "content": _text(message["content"])} for message in payload.messages]
    return structs.replace(payload, messages=messages)


def _text(content: object) -> object:
    if not isinstance(content, list):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")
