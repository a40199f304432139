"""Tiny random-weight speech-to-text models in the layouts of the real ones."""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
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
    folder: Path, *, seed: int = 0, dtype: mx.Dtype = mx.float32, multilingual: bool = True
) -> Path:
    """A Whisper as mlx-whisper's converter writes it.

    Each window's text is a few random words that depend on the sound, is surely meant, and has timestamps in its
    middle: positions push the decoder now to a time, now to the end.
    """
    folder.mkdir(parents=True)
    end, times, vocabulary = (50257, 50364, 51865) if multilingual else (50256, 50363, 51864)
    config = {**_WHISPER, "n_vocab": vocabulary}
    mx.random.seed(seed)
    draw = np.random.default_rng(seed)
    weights = dict(parameters(whisper.Whisper(whisper.ModelDimensions(**config), mx.float32)))
    table = draw.normal(size=(vocabulary, _WHISPER["n_text_state"]))
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    loudness = np.full((vocabulary, 1), 0.1)
    loudness[draw.integers(300, 20_000, 1000)] = 8
    loudness[times:], loudness[end] = 5, 9
    positions = draw.normal(size=(_WHISPER["n_text_ctx"], _WHISPER["n_text_state"])) * 8
    positions[::12] += 150 * table[end]
    for place in (5, 6, 11 + 24):
        count = len(positions[place :: 12 if place < 12 else 36])
        positions[place :: 12 if place < 12 else 36] += 150 * table[times + draw.integers(300, 1400, count)]
    weights["decoder.token_embedding.weight"] = mx.array((table * loudness).astype(np.float32))
    weights["decoder.positional_embedding"] = mx.array(positions.astype(np.float32))
    for name, value in weights.items():
        if ".cross_attn." not in name:
            continue
        # What the decoder hears must matter beside where it is.
        factor = 0 if name.endswith("bias") else {"query": 6, "key": 6, "out": 16}.get(name.split(".")[-2], 1)
        weights[name] = value * factor
    weights = {
        name: value if name == "alignment_heads" else value.astype(dtype) for name, value in weights.items()
    }
    mx.savez(str(folder / "weights.npz"), **weights)
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "whisper"}))
    return folder


def parameters(model: Any) -> list[tuple[str, mx.array]]:
    flat: Any = tree_flatten(model.parameters())
    return list(flat)
