"""Qwen3-Reranker: a language model that answers `yes` or `no` to whether a document meets a query.

A pair's number is how much likelier `yes` is than `no`, in logits, as the model's authors compute it.
"""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx

from jobs.errors import InvalidRequest
from jobs.payloads import RerankPayload
from mlxq.catalog import ModelRef
from worker.engines.embedding.ranks import Ranker, beginning, shortened
from worker.engines.embedding.texts import Text, padded
from worker.engines.loading import LanguageModel, load_language_model

_BEFORE = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
_AFTER = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
_PAIR = "<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}"
_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"
#: Tokens of a pair that the model was trained with; config.json names more.
_LONGEST = 8192


class _Pairs:
    """The prompt of a pair. Names of special tokens in a document are plain text."""

    def __init__(self, language: LanguageModel) -> None:
        self.longest = min(language.context_length or _LONGEST, _LONGEST)
        self._tokenizer = language.tokenizer._tokenizer
        self._before, self._after = (
            self._tokenizer(text, add_special_tokens=False)["input_ids"] for text in (_BEFORE, _AFTER)
        )

    def read(self, payload: RerankPayload, documents: Sequence[str]) -> list[Text]:
        room = self.longest - len(self._before) - len(self._after)
        texts = [beginning(self._tokenizer, each, self.longest) for each in documents]
        if (limit := payload.document_tokens) is not None:
            texts = [shortened(self._tokenizer, each, limit) for each in texts]
        query = beginning(self._tokenizer, payload.query, self.longest)
        instruction = payload.instruction or _INSTRUCTION
        encoded = self._tokenizer(
            [_PAIR.format(instruction=instruction, query=query, document=each) for each in texts],
            add_special_tokens=False,
            split_special_tokens=True,
            truncation="longest_first" if payload.truncate else False,
            max_length=room,
            verbose=False,
        )
        pairs = [[*self._before, *ids, *self._after] for ids in encoded["input_ids"]]
        return [Text(ids, len(ids)) for ids in pairs]


class Qwen3Reranker(Ranker):
    def __init__(self, language: LanguageModel, yes: int, no: int) -> None:
        super().__init__(language.model, _Pairs(language))
        self._language, self._yes, self._no = language.model, yes, no

    def forward(self, texts: Sequence[Text]) -> mx.array:
        # What is padded on the right comes after a causal model's last token.
        ids, _ = padded(texts, 0)
        states: mx.array = self._language.model(mx.array(ids))
        last = states[mx.arange(len(texts)), mx.array([len(text) - 1 for text in texts])]
        logits = self._logits(last).astype(mx.float32)
        return logits[:, self._yes : self._yes + 1] - logits[:, self._no : self._no + 1]

    def _logits(self, states: mx.array) -> mx.array:
        head = getattr(self._language, "lm_head", None)
        logits: mx.array = (
            head(states) if head is not None else self._language.model.embed_tokens.as_linear(states)
        )
        return logits


def load(ref: ModelRef) -> Qwen3Reranker:
    """Load a model from its folder. Call it on the thread that will own it. Raises InvalidRequest."""
    language = load_language_model(ref)
    tokenizer: Any = language.tokenizer._tokenizer
    yes, no = (tokenizer(word, add_special_tokens=False)["input_ids"] for word in ("yes", "no"))
    if len(yes) != 1 or len(no) != 1:
        raise InvalidRequest(
            f"The model '{ref.id}' does not rank documents: its tokenizer has no tokens for 'yes' and 'no'.",
            param="model",
            code="unsupported_model",
        )
    return Qwen3Reranker(language, yes[0], no[0])
