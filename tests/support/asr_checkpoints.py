"""Tiny random-weight speech-to-text models in the layouts of the real ones."""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_whisper import whisper

_WHISPER = {
    "n_mels": 80,
    "n_audio_ctx": 1500,
    "n_audio_state": 32,
    "n_audio_head": 2,
    "n_audio_layer": 1,
    "n_vocab": 51865,
    "n_text_ctx": 448,
    "n_text_state": 32,
    "n_text_head": 2,
    "n_text_layer": 2,
}


def random_whisper(
    folder: Path, *, seed: int = 0, dtype: mx.Dtype = mx.float32, multilingual: bool = True, **changes: int
) -> Path:
    """A Whisper as mlx-whisper's converter writes it. It babbles, with timestamps, and every now and then ends."""
    folder.mkdir(parents=True)
    config = {**_WHISPER, "n_vocab": 51865 if multilingual else 51864, **changes}
    mx.random.seed(seed)
    model = whisper.Whisper(whisper.ModelDimensions(**config), mx.float32)
    weights = dict(parameters(model))
    weights["decoder.positional_embedding"] = mx.random.normal((448, config["n_text_state"])) * 0.5
    # Flat logits of text would lose against the sum of all timestamps, whatever is heard.
    table = weights["decoder.token_embedding.weight"] * 0.6
    end = 50257 if multilingual else 50256
    table[:end] *= 6
    weights["decoder.token_embedding.weight"] = table
    # What the decoder hears must outweigh where it is.
    for name in weights:
        if ".cross_attn.out.weight" in name or "cross_attn.value.weight" in name:
            weights[name] = weights[name] * 8
    weights = {name: value.astype(dtype) for name, value in weights.items()}
    mx.savez(str(folder / "weights.npz"), **weights)
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "whisper"}))
    return folder


def parameters(model: Any) -> list[tuple[str, mx.array]]:
    flat: Any = tree_flatten(model.parameters())
    return list(flat)
