"""Vectors of texts, by mlx-embeddings."""

import base64
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_embeddings.tokenizer_utils import TokenizerWrapper
from mlx_embeddings.utils import load as load_model
from mlx_embeddings.utils import load_config

from jobs.errors import InvalidRequest
from jobs.payloads import EmbeddingPayload, Payload
from jobs.results import EmbeddingResult, EmbeddingUsage
from mlxq.catalog import ModelRef
from worker.engines.embedding.cpu_gelu import quicken
from worker.engines.embedding.inputs import Reader
from worker.engines.embedding.texts import Request, Row, Text, TextModel, padded
from worker.engines.loading import folder
from worker.engines.precision import widen


class _Vectors(Request):
    """Vectors in base64."""

    param = "input"

    def __init__(self, payload: EmbeddingPayload, reader: Reader) -> None:
        self._inputs, self._dimensions, self._reader = payload.inputs, payload.dimensions, reader
        self._truncate = payload.truncate
        self._vectors = [""] * len(payload.inputs)

    def __len__(self) -> int:
        return len(self._inputs)

    def size(self, index: int) -> int:
        return len(self._inputs[index])

    def read(self, start: int, end: int) -> list[Text]:
        read = self._reader.read(self._inputs[start:end], start, truncate=self._truncate)
        return [Text(ids, len(ids)) for ids in read]

    def keep(self, index: int, row: Row) -> None:
        self._vectors[index] = _encode(row, self._dimensions)

    def result(self, tokens: int) -> EmbeddingResult:
        return EmbeddingResult(embeddings=self._vectors, usage=EmbeddingUsage(tokens))


class VectorModel(TextModel):
    """`width`: dimensions of a vector."""

    def __init__(self, module: Any, reader: Reader, width: int) -> None:
        self.module = module
        self.context_length = reader.longest
        self._call, self._reader, self._width = module, reader, width

    def request(self, payload: Payload) -> Request:
        if not isinstance(payload, EmbeddingPayload):
            raise InvalidRequest(
                "This model makes vectors of texts. It does not rank documents.",
                param="model",
                code="unsupported_model",
            )
        dimensions = payload.dimensions
        if dimensions is not None and dimensions > self._width:
            raise InvalidRequest(
                f"Invalid 'dimensions': this model's vectors have {self._width}; {dimensions} were asked for.",
                param="dimensions",
            )
        return _Vectors(payload, self._reader)

    def forward(self, texts: Sequence[Text]) -> mx.array:
        """Vectors of length 1."""
        ids, mask = padded(texts, self._reader.padding)
        vectors: mx.array = self._call(mx.array(ids), attention_mask=mx.array(mask)).text_embeds
        return vectors.astype(mx.float32)


def load(ref: ModelRef) -> VectorModel:
    """Load a model from its folder. Call it on the thread that will own it."""
    path = folder(ref)
    config = load_config(path)
    model_type = str(config.get("model_type", "")).replace("-", "_")
    if not model_type.isidentifier() or find_spec(f"mlx_embeddings.models.{model_type}") is None:
        raise _unfit(ref, f"models of its type, '{model_type[:64]}', are not known")
    model, tokenizer = load_model(str(path), tokenizer_config={"trust_remote_code": False})
    if not isinstance(tokenizer, TokenizerWrapper):
        raise _unfit(ref, "it takes pictures")
    widen(model)
    quicken(model)
    reader = Reader(tokenizer, config)
    shown: Any = model(mx.array(reader.read(["a"], 0))).text_embeds
    if shown is None or shown.ndim != 2:
        raise _unfit(ref, "it makes a vector for each token")
    return VectorModel(model, reader, shown.shape[-1])


def _unfit(ref: ModelRef, reason: str) -> InvalidRequest:
    return InvalidRequest(
        f"The model '{ref.id}' does not make vectors of texts: {reason}.",
        param="model",
        code="unsupported_model",
    )


def _encode(vector: Row, dimensions: int | None) -> str:
    """Base64 of float32, little-endian; cut to `dimensions` it has length 1 again."""
    if dimensions is not None and dimensions < len(vector):
        vector = vector[:dimensions]
        vector = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
