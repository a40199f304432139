"""Random-weight models that rank documents, in the hub's real layout, and what they have to compute, in NumPy."""

import json
import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import numpy.typing as npt
from mlx.utils import tree_flatten
from safetensors.numpy import load_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

from tests.support.checkpoints import random_qwen3
from worker.engines.embedding.cross_encoder import MODULES

CONTEXT = 128
#: Those whose positions begin after the padding token's.
_OFFSET = 1
_SPECIALS = ["[PAD]", "[CLS]", "[SEP]"]
_SIZE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "id2label": {"0": "LABEL_0"},
}
#: What each family's config.json says beyond its size.
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": {
        "architectures": ["BertForSequenceClassification"],
        "type_vocab_size": 2,
        "max_position_embeddings": CONTEXT,
    },
    "xlm-roberta": {
        "architectures": ["XLMRobertaForSequenceClassification"],
        "type_vocab_size": 1,
        "max_position_embeddings": CONTEXT + _OFFSET,
    },
    "modernbert": {
        "architectures": ["ModernBertForSequenceClassification"],
        "local_attention": 16,
        "max_position_embeddings": CONTEXT,
        "classifier_pooling": "mean",
    },
}
_PAIRS = {"bert": "[CLS] $A [SEP] $B:1 [SEP]:1", "xlm-roberta": "[CLS] $A [SEP] [SEP] $B [SEP]"}

Array = npt.NDArray[np.float64]


def random_cross_encoder(folder: Path, model_type: str = "bert", *, seed: int = 0, **changes: Any) -> Path:
    """Write a checkpoint into `folder` and return it."""
    folder.mkdir(parents=True)
    tokenizer = _tokenizer(_PAIRS.get(model_type, "[CLS] $A [SEP] $B [SEP]"))
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "model_type": model_type,
        **_SIZE,
        **FAMILIES[model_type],
        "vocab_size": tokenizer.get_vocab_size(),
        "pad_token_id": 0,
        **changes,
    }
    name = model_type.replace("-", "_")
    library: Any = import_module(f"mlx_embeddings.models.{name}")
    mx.random.seed(seed)
    module: Any = MODULES[name](library.ModelArgs.from_dict(config))
    flat: Any = tree_flatten(module.parameters())
    # Freshly drawn weights give all pairs nearly the same number; wider ones tell them apart.
    weights = {
        key: value * 3 if value.ndim > 1 else value + mx.random.normal(value.shape) / 4 for key, value in flat
    }
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "pt"})
    files = {
        "config.json": config,
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "pad_token": "[PAD]",
            "model_max_length": CONTEXT,
        },
    }
    for file, content in files.items():
        (folder / file).write_text(json.dumps(content))
    return folder


def random_qwen3_reranker(folder: Path, *, seed: int = 0) -> Path:
    """The same of Qwen3-Reranker. Its folder's name has to tell."""
    return random_qwen3(folder, seed=seed, words=("yes", "no"))


def _tokenizer(pair: str) -> Tokenizer:
    """Bytes between special tokens."""
    specials = {token: number for number, token in enumerate(_SPECIALS)}
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {**specials, **{char: number for number, char in enumerate(alphabet, start=len(specials))}}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in _SPECIALS])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair=pair, special_tokens=list(specials.items())
    )
    return tokenizer


def reference(folder: Path, query: str, documents: Sequence[str], *, most: int = CONTEXT) -> list[float]:
    """The numbers that transformers' `…ForSequenceClassification` computes of BERT and XLM-RoBERTa."""
    config = json.loads((folder / "config.json").read_text())
    weights = {
        name: value.astype(np.float64) for name, value in load_file(folder / "model.safetensors").items()
    }
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(most, strategy="longest_first")
    found = [tokenizer.encode(query, document) for document in documents]
    return [_number(config, weights, each.ids, each.type_ids) for each in found]


def _number(
    config: Mapping[str, Any], weights: Mapping[str, Array], ids: Sequence[int], types: Sequence[int]
) -> float:
    roberta = config["model_type"] == "xlm-roberta"
    prefix = "roberta" if roberta else "bert"
    eps = config.get("layer_norm_eps", 1e-5 if roberta else 1e-12)

    def linear(name: str, x: Array) -> Array:
        result: Array = x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
        return result

    def norm(name: str, x: Array) -> Array:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)
        result: Array = x * weights[f"{name}.weight"] + weights[f"{name}.bias"]
        return result

    def table(name: str, places: Sequence[int]) -> Array:
        return weights[f"{prefix}.embeddings.{name}_embeddings.weight"][list(places)]

    start = _OFFSET if roberta else 0
    x = table("word", ids) + table("position", range(start, start + len(ids)))
    x = norm(f"{prefix}.embeddings.LayerNorm", x + table("token_type", [0] * len(ids) if roberta else types))
    heads = config["num_attention_heads"]
    for layer in range(config["num_hidden_layers"]):
        name = f"{prefix}.encoder.layer.{layer}"
        parts = [linear(f"{name}.attention.self.{each}", x) for each in ("query", "key", "value")]
        q, k, v = (each.reshape(len(ids), heads, -1).transpose(1, 0, 2) for each in parts)
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        likely = np.exp(scores - scores.max(-1, keepdims=True))
        seen = (likely / likely.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(ids), -1)
        x = norm(f"{name}.attention.output.LayerNorm", x + linear(f"{name}.attention.output.dense", seen))
        wide = linear(f"{name}.intermediate.dense", x)
        wide = wide * (1 + np.vectorize(math.erf)(wide / math.sqrt(2))) / 2
        x = norm(f"{name}.output.LayerNorm", x + linear(f"{name}.output.dense", wide))
    first = x[0]
    if roberta:
        return float(linear("classifier.out_proj", np.tanh(linear("classifier.dense", first)))[0])
    return float(linear("classifier", np.tanh(linear("bert.pooler.dense", first)))[0])
