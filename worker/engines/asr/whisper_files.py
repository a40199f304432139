"""Checkpoints of Whisper: those of mlx-whisper (`weights.npz`, `weights.safetensors`) and those of transformers."""

import re
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_unflatten
from mlx_whisper import whisper

from jobs.errors import InvalidRequest
from mlxq.catalog.foreign_json import read_object

#: mlx-whisper's names of sizes → transformers' names.
_SIZES = {
    "n_mels": "num_mel_bins",
    "n_audio_ctx": "max_source_positions",
    "n_audio_state": "d_model",
    "n_audio_head": "encoder_attention_heads",
    "n_audio_layer": "encoder_layers",
    "n_vocab": "vocab_size",
    "n_text_ctx": "max_target_positions",
    "n_text_state": "d_model",
    "n_text_head": "decoder_attention_heads",
    "n_text_layer": "decoder_layers",
}
#: transformers' names of weights → mlx-whisper's, applied in order.
_NAMES = (
    (r"^model\.", ""),
    (r"^decoder\.embed_positions\.weight$", "decoder.positional_embedding"),
    (r"^decoder\.embed_tokens\.", "decoder.token_embedding."),
    (r"^encoder\.layer_norm\.", "encoder.ln_post."),
    (r"^decoder\.layer_norm\.", "decoder.ln."),
    (r"\.layers\.", ".blocks."),
    (r"\.self_attn_layer_norm\.", ".attn_ln."),
    (r"\.encoder_attn_layer_norm\.", ".cross_attn_ln."),
    (r"\.final_layer_norm\.", ".mlp_ln."),
    (r"\.self_attn\.", ".attn."),
    (r"\.encoder_attn\.", ".cross_attn."),
    (r"\.q_proj\.", ".query."),
    (r"\.k_proj\.", ".key."),
    (r"\.v_proj\.", ".value."),
    (r"\.out_proj\.", ".out."),
    (r"\.fc(\d)\.", r".mlp\1."),
)


def load_whisper(path: Path) -> tuple[Any, mx.Dtype]:
    """mlx-whisper's model and its compute type: float16 or float32, as its weights; on a CPU always float32.

    A CPU takes several times as long for float16.
    """
    config: Any = read_object(path / "config.json")
    weights = _read(path)
    if "d_model" in config:
        config = {ours: config[theirs] for ours, theirs in _SIZES.items()} | {
            "alignment_heads": read_object(path / "generation_config.json").get("alignment_heads")
        }
        weights = _renamed(weights)
    half = weights["encoder.conv1.weight"].dtype == mx.float16
    dtype = mx.float16 if half and mx.default_device() == mx.gpu else mx.float32
    if half and dtype != mx.float16:
        weights = {
            name: array.astype(dtype) if array.dtype == mx.float16 else array
            for name, array in weights.items()
        }
    model = whisper.Whisper(whisper.ModelDimensions(**{name: config[name] for name in _SIZES}), dtype)
    if quantization := config.get("quantization"):
        nn.quantize(
            model,
            **quantization,
            class_predicate=lambda name, layer: (
                isinstance(layer, nn.Linear | nn.Embedding) and f"{name}.scales" in weights
            ),
        )
    if config.get("alignment_heads"):
        model.alignment_heads = mx.array(config["alignment_heads"])
    model.update(tree_unflatten(list(weights.items())))
    mx.eval(model.parameters())
    return model, dtype


def _read(path: Path) -> dict[str, mx.array]:
    files = [path / "weights.safetensors", path / "weights.npz", *sorted(path.glob("model*.safetensors"))]
    found = [file for file in files if file.exists()]
    if not found:
        raise InvalidRequest("The model's folder holds no weights of Whisper.", param="model")
    weights: dict[str, mx.array] = {}
    for file in found if found[0].name.startswith("model") else found[:1]:
        loaded: Any = mx.load(str(file))
        weights.update(loaded)
    return weights


def _renamed(weights: dict[str, mx.array]) -> dict[str, mx.array]:
    renamed = {}
    for name, array in weights.items():
        # The first is computed, the second repeats the embedding.
        if name.endswith("encoder.embed_positions.weight") or name.startswith("proj_out."):
            continue
        for pattern, replacement in _NAMES:
            name = re.sub(pattern, replacement, name)
        renamed[name] = array.transpose(0, 2, 1) if re.fullmatch(r"encoder\.conv\d\.weight", name) else array
    return renamed
