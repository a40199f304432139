"""OpenAI's list of vectors."""

import base64
from array import array
from typing import cast

import orjson

from api.dispatch.renderers import Answered
from api.openai.embeddings.schema import Embedding, EmbeddingList
from jobs.meta import Meta
from jobs.results import EmbeddingResult


class EmbeddingMeta(Meta, frozen=True, kw_only=True):
    encoding_format: str = "float"


def embedding_list(job: Answered[EmbeddingMeta, EmbeddingResult]) -> EmbeddingList:
    """The answer. The worker's base64 is passed on as it is, unless numbers were asked for."""
    meta, result = job.meta, job.result
    as_floats = meta.encoding_format == "float"
    tokens = result.usage.prompt_tokens
    rows: list[Embedding] = [
        {"object": "embedding", "index": index, "embedding": floats(vector) if as_floats else vector}
        for index, vector in enumerate(result.embeddings)
    ]
    return {
        "object": "list",
        "data": rows,
        "model": cast(str, meta.model),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def numbers(vector: str) -> list[float]:
    """Of little-endian float32, which is this machine's own order wherever MLX runs."""
    return array("f", base64.b64decode(vector)).tolist()


def floats(vector: str) -> list[float]:
    """The same as JSON that is written already."""
    return cast(list[float], orjson.Fragment(orjson.dumps(numbers(vector))))
