"""OpenAI's list of vectors."""

import base64
from array import array
from typing import Any

import orjson

from api.dispatch.renderers import Answered
from jobs.meta import Meta
from jobs.results import EmbeddingResult


class EmbeddingMeta(Meta, frozen=True, kw_only=True):
    encoding_format: str = "float"


def embedding_list(job: Answered[EmbeddingMeta, EmbeddingResult]) -> dict[str, Any]:
    """The answer. The worker's base64 is passed on as it is, unless numbers were asked for."""
    meta, result = job.meta, job.result
    as_floats = meta.encoding_format == "float"
    tokens = result.usage.prompt_tokens
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _floats(vector) if as_floats else vector}
            for index, vector in enumerate(result.embeddings)
        ],
        "model": meta.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _floats(vector: str) -> orjson.Fragment:
    """Little-endian float32, which is this machine's own order wherever MLX runs, as JSON."""
    return orjson.Fragment(orjson.dumps(array("f", base64.b64decode(vector)).tolist()))
