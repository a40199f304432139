"""Random-weight embedding models in the hub's real layout, small enough to be made by a test."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

CONTEXT = 512
#: The byte whose token has no numbers for weights, in a model made with `poisoned`.
POISON = "~"

_SPECIALS = ["[PAD]", "[CLS]", "[SEP]"]
_SIZE = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
}
#: What each family's config.json says beyond its size.
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": {"architectures": ["BertModel"], "type_vocab_size": 2},
    "xlm-roberta": {
        "architectures": ["XLMRobertaModel"],
        "type_vocab_size": 1,
        "max_position_embeddings": CONTEXT + 2,
    },
    "modernbert": {"architectures": ["ModernBertModel"], "local_attention": 16},
    "llama_bidirec": {"architectures": ["LlamaBidirectionalModel"], "num_key_value_heads": 2},
    "qwen3": {"architectures": ["Qwen3Model"], "num_key_value_heads": 2, "head_dim": 16},
    "gemma3_text": {
        "architectures": ["Gemma3TextModel"],
        "num_key_value_heads": 2,
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "sliding_window_pattern": 2,
        "sliding_window": 8,
    },
}


def random_encoder(
    folder: Path, model_type: str = "bert", *, seed: int = 0, poisoned: bool = False, **changes: int
) -> Path:
    """Write a checkpoint of about 100,000 parameters into `folder` and return it."""
    folder.mkdir(parents=True)
    tokenizer = _byte_tokenizer(causal=model_type == "qwen3")
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "model_type": model_type,
        **_SIZE,
        **FAMILIES[model_type],
        "vocab_size": tokenizer.get_vocab_size(),
        "pad_token_id": tokenizer.token_to_id("[PAD]"),
        **changes,
    }
    library: Any = import_module(f"mlx_embeddings.models.{model_type.replace('-', '_')}")
    mx.random.seed(seed)
    # Freshly drawn weights make nearly the same vector of every text; wider ones tell texts apart.
    weights = {
        name: value * 3 if value.ndim > 1 else value
        for name, value in _parameters(library.Model(library.ModelArgs.from_dict(config)))
    }
    if poisoned:
        token = tokenizer.token_to_id(POISON)
        (table,) = [
            name for name in weights if name.endswith(("word_embeddings.weight", "embed_tokens.weight"))
        ]
        weights[table][token] = float("nan")
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    files = {
        "config.json": config,
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "pad_token": "[PAD]",
            "model_max_length": CONTEXT,
        },
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    return folder


def _parameters(model: Any) -> list[tuple[str, mx.array]]:
    flat: Any = tree_flatten(model.parameters())
    return list(flat)


def _byte_tokenizer(*, causal: bool) -> Tokenizer:
    """Bytes between [CLS] and [SEP]; for a causal model only [SEP] at the end, whose vector is the text's."""
    specials = {token: number for number, token in enumerate(_SPECIALS)}
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {**specials, **{char: number for number, char in enumerate(alphabet, start=len(specials))}}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in _SPECIALS])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A [SEP]" if causal else "[CLS] $A [SEP]", special_tokens=list(specials.items())
    )
    return tokenizer
