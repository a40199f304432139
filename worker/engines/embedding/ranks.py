"""Ranks of documents: what a request for them asks of a model that gives each pair of query and document a number."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

from jobs.errors import ContextLengthExceeded, InvalidRequest
from jobs.payloads import Payload, RerankPayload
from jobs.results import EmbeddingUsage, Rank, RerankResult
from worker.engines.embedding.inputs import LONG
from worker.engines.embedding.texts import Request, Row, Text, TextModel


class PairReader(Protocol):
    """From pairs to tokens."""

    @property
    def longest(self) -> int | None:
        """Tokens of a pair, None when nothing bounds it."""

    def read(self, payload: RerankPayload, documents: Sequence[str]) -> list[Text]:
        """The pairs of the query and each of these documents, cut to `longest` where the payload says so."""


class Ranker(TextModel):
    """A model of pairs. Its rows have one number."""

    def __init__(self, module: Any, reader: PairReader) -> None:
        self.module = module
        self.context_length = reader.longest
        self._reader = reader

    def request(self, payload: Payload) -> Request:
        if not isinstance(payload, RerankPayload):
            raise InvalidRequest(
                "This model ranks documents. It makes no vectors.", param="model", code="unsupported_model"
            )
        return _Ranks(payload, self._reader)


class _Ranks(Request):
    param = "documents"

    def __init__(self, payload: RerankPayload, reader: PairReader) -> None:
        self._asked, self._reader = payload, reader
        self._scores = [0.0] * len(payload.documents)

    def __len__(self) -> int:
        return len(self._asked.documents)

    def size(self, index: int) -> int:
        return len(self._asked.query) + len(self._asked.documents[index])

    def read(self, start: int, end: int) -> list[Text]:
        pairs = self._reader.read(self._asked, self._asked.documents[start:end])
        most = self._reader.longest
        for number, pair in enumerate(pairs, start):
            if most is not None and len(pair) > most:
                raise ContextLengthExceeded(
                    f"Invalid 'documents[{number}]': query and document may have {most} tokens together; they have "
                    f"{len(pair)} or more. Shorten them, or let them be truncated.",
                    param="documents",
                )
        return pairs

    def keep(self, index: int, row: Row) -> None:
        self._scores[index] = float(row[0])

    def result(self, tokens: int) -> RerankResult:
        asked = self._asked
        order = sorted(range(len(self._scores)), key=lambda index: (-self._scores[index], index))
        ranks = [
            Rank(
                index,
                self._scores[index] if asked.raw else _sigmoid(self._scores[index]),
                asked.documents[index] if asked.texts else None,
            )
            for index in order[: asked.top]
        ]
        return RerankResult(ranks=ranks, usage=EmbeddingUsage(tokens))


def beginning(tokenizer: Any, text: str, most: int | None) -> str:
    """As much of a text of megabytes as has more tokens than a model reads."""
    if most is None:
        return text
    enough = LONG * most
    while enough < len(text):
        if len(tokenizer(text[:enough], add_special_tokens=False, verbose=False)["input_ids"]) > most + LONG:
            return text[:enough]
        enough *= 4
    return text


def shortened(tokenizer: Any, text: str, most: int) -> str:
    """The first `most` tokens of a text."""
    encoded = tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
    )
    places = encoded["offset_mapping"]
    return text if len(places) <= most else text[: places[most - 1][1]]


def _sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score)) if score >= 0 else (e := math.exp(score)) / (1 + e)
