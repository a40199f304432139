"""`/v1/embeddings`: texts or token ids in, vectors out."""

from typing import Annotated, ClassVar, Literal

from pydantic import PlainValidator
from typing_extensions import TypedDict

from api.http.bodies.fields import MAX_COUNT, Count, KeepAlive
from api.http.job_options.service_class import Ranked
from jobs.payloads import EmbeddingPayload

#: Inputs of one request, as in OpenAI's API.
MAX_INPUTS = 2048

_Given = str | list[str] | list[int] | list[list[int]]


def _inputs(value: object) -> list[str | list[int]]:
    """Every form of `input` as a list of texts or of lists of token ids."""
    if isinstance(value, str):
        return [_one(value, "it")]
    if not isinstance(value, list):
        raise ValueError("it must be a text, a list of texts, a list of token ids, or a list of such lists")
    if not value:
        raise ValueError("it is empty")
    if type(value[0]) is int:
        return [_one(value, "it")]
    if len(value) > MAX_INPUTS:
        raise ValueError(f"it may have up to {MAX_INPUTS} items; it has {len(value)}")
    if any(type(item) is not type(value[0]) for item in value):
        raise ValueError("its items must all be texts or all be lists of token ids")
    return [_one(item, f"item {number}") for number, item in enumerate(value)]


def _one(item: object, name: str) -> str | list[int]:
    match item:
        case "" | []:
            raise ValueError(f"{name} is empty")
        case str():
            return item
        case list():
            if all(type(token) is int and 0 <= token <= MAX_COUNT for token in item):
                return item
    raise ValueError(f"{name} must be a text or a list of token ids")


class EmbeddingRequest(Ranked):
    """`input` is told to the engine as a list; token ids are those of the model's own tokenizer."""

    harmless: ClassVar[frozenset[str]] = frozenset({"user"})

    model: str
    input: Annotated[list[str | list[int]], PlainValidator(_inputs, json_schema_input_type=_Given)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Count | None = None
    keep_alive: KeepAlive | None = None
    background: bool | None = None

    def payload(self) -> EmbeddingPayload:
        return EmbeddingPayload(inputs=self.input, dimensions=self.dimensions, keep_alive=self.keep_alive)


class Embedding(TypedDict):
    """Numbers, or float32 in base64."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsage(TypedDict):
    prompt_tokens: int
    total_tokens: int


class EmbeddingList(TypedDict):
    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
