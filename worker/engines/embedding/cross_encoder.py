"""Cross-encoders: BERT, XLM-RoBERTa and ModernBERT with a head that gives a pair of texts one number.

The encoders are those of mlx-embeddings, the heads are as transformers' `…ForSequenceClassification` has them.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx_embeddings.tokenizer_utils import load_tokenizer
from mlx_embeddings.utils import load_model

from jobs.payloads import RerankPayload
from worker.engines.embedding.cpu_gelu import quicken
from worker.engines.embedding.inputs import longest
from worker.engines.embedding.ranks import Ranker, beginning, shortened
from worker.engines.embedding.texts import Text, padded
from worker.engines.precision import widen

Weights = dict[str, mx.array]


class _Module(nn.Module, ABC):
    """`config` is asked for by mlx-embeddings' loader."""

    def __init__(self, config: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.config = config

    def sanitize(self, weights: Weights) -> Weights:
        return {name: value for name, value in weights.items() if "position_ids" not in name}

    @abstractmethod
    def __call__(self, ids: mx.array, types: mx.array, mask: mx.array) -> mx.array:
        """The numbers [texts, 1]."""


class Bert(_Module):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.bert = _library("bert").Model(config)
        self.classifier = nn.Linear(config.hidden_size, 1)

    def __call__(self, ids: mx.array, types: mx.array, mask: mx.array) -> mx.array:
        return self.classifier(self.bert(ids, token_type_ids=types, attention_mask=mask).pooler_output)


class _RobertaHead(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dense = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, 1)

    def __call__(self, states: mx.array) -> mx.array:
        return self.out_proj(mx.tanh(self.dense(states)))


class XlmRoberta(_Module):
    """Its pairs have no types, and its head takes the place of a pooler."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.roberta = _library("xlm_roberta").Model(replace(config, add_pooling_layer=False))
        self.classifier = _RobertaHead(config.hidden_size)

    def sanitize(self, weights: Weights) -> Weights:
        found = super().sanitize(weights)
        return {name: value for name, value in found.items() if not name.startswith("roberta.pooler.")}

    def __call__(self, ids: mx.array, types: mx.array, mask: mx.array) -> mx.array:
        return self.classifier(self.roberta(ids, attention_mask=mask).last_hidden_state[:, 0])


class ModernBert(_Module):
    """Its pairs have no types."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        library = _library("modernbert")
        self.model = library.ModernBertModel(config)
        self.head = library.ModernBertPredictionHead(config)
        self.classifier = nn.Linear(config.hidden_size, 1)

    def __call__(self, ids: mx.array, types: mx.array, mask: mx.array) -> mx.array:
        found = self.model(ids, attention_mask=mask, return_dict=True)
        states: mx.array = found["last_hidden_state"]
        if self.config.classifier_pooling == "mean":
            weights = mask[:, :, None].astype(states.dtype)
            pooled = (states * weights).sum(axis=1) / weights.sum(axis=1)
        else:
            pooled = states[:, 0]
        return self.classifier(self.head(pooled))


#: By `model_type`.
MODULES: Mapping[str, type[_Module]] = {"bert": Bert, "xlm_roberta": XlmRoberta, "modernbert": ModernBert}


class _Pairs:
    """The tokenizer's own form of a pair."""

    def __init__(self, tokenizer: Any, config: Mapping[str, Any]) -> None:
        self.longest = longest(tokenizer, config)
        self.padding = int(tokenizer.pad_token_id or 0)
        self._tokenizer = tokenizer

    def read(self, payload: RerankPayload, documents: Sequence[str]) -> list[Text]:
        most, limit = self.longest, payload.document_tokens
        texts = [beginning(self._tokenizer, each, most) for each in documents]
        if limit is not None:
            texts = [shortened(self._tokenizer, each, limit) for each in texts]
        encoded = self._tokenizer(
            [beginning(self._tokenizer, payload.query, most)] * len(texts),
            texts,
            padding=False,
            truncation="longest_first" if payload.truncate and most is not None else False,
            max_length=most,
            return_attention_mask=False,
            return_token_type_ids=True,
            verbose=False,
        )
        pairs = zip(encoded["input_ids"], encoded["token_type_ids"], strict=True)
        return [Text(ids, types.index(1) if 1 in types else len(ids)) for ids, types in pairs]


class CrossEncoder(Ranker):
    def __init__(self, module: Any, pairs: _Pairs) -> None:
        super().__init__(module, pairs)
        self._call, self._padding = module, pairs.padding

    def forward(self, texts: Sequence[Text]) -> mx.array:
        ids, mask = padded(texts, self._padding)
        places = np.arange(ids.shape[1])[None, :]
        types = (places >= np.array([[text.second] for text in texts])) & (mask == 1)
        numbers: mx.array = self._call(mx.array(ids), mx.array(types.astype(np.int32)), mx.array(mask))
        return numbers.astype(mx.float32)


def load(path: Path, config: Mapping[str, Any]) -> CrossEncoder:
    """Load a cross-encoder of a type in MODULES. Call it on the thread that will own it."""
    model_type = str(config["model_type"]).replace("-", "_")
    classes = (MODULES[model_type], _library(model_type).ModelArgs, None, None)
    module: Any = load_model(path, get_model_classes=lambda config: classes, path_to_repo=str(path))
    widen(module)
    quicken(module)
    return CrossEncoder(module, _Pairs(load_tokenizer(path, {"trust_remote_code": False}), config))


def _library(model_type: str) -> Any:
    return import_module(f"mlx_embeddings.models.{model_type}")
