"""A random Kokoro in the hub's layout. Most sizes stand in the library: it has 58 million parameters all the same."""

import json
import string
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_audio.tts.models.kokoro.kokoro import Model, ModelConfig

_SIGNS = " ,.!?\u02c8" + string.ascii_letters
_CONFIG: dict[str, Any] = {
    "istftnet": {
        "upsample_kernel_sizes": [20, 12],
        "upsample_rates": [10, 6],
        "gen_istft_hop_size": 5,
        "gen_istft_n_fft": 20,
        "resblock_dilation_sizes": [[1, 3, 5]],
        "resblock_kernel_sizes": [3],
        "upsample_initial_channel": 512,
    },
    "plbert": {
        "hidden_size": 32,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 512,
        "num_hidden_layers": 1,
        "dropout": 0.1,
        "embedding_size": 32,
    },
    "dim_in": 64,
    "dropout": 0.2,
    "hidden_dim": 512,
    "max_conv_dim": 512,
    # A frame for each sign.
    "max_dur": 2,
    "multispeaker": True,
    "n_layer": 1,
    "n_mels": 80,
    "n_token": 178,
    "style_dim": 128,
    "text_encoder_kernel_size": 5,
    "vocab": {sign: number for number, sign in enumerate(_SIGNS, 1)},
}


def random_kokoro(folder: Path, *voices: str, seed: int = 0) -> Path:
    (folder / "voices").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(_CONFIG))
    mx.random.seed(seed)
    model = Model(ModelConfig.from_dict(_CONFIG))
    parameters: Any = tree_flatten(model.parameters())
    weights = dict(parameters)
    for name, value in weights.items():
        # What the library draws for these is no number when it has been normed.
        if name.endswith("weight_v"):
            weights[name] = 0.05 * mx.random.normal(value.shape)
        elif name.endswith("weight_g"):
            weights[name] = 0.1 * mx.abs(mx.random.normal(value.shape))
    # Which the library turns, of torch's, goes by names and shapes.
    turned = model.sanitize(weights)
    for name, value in weights.items():
        if turned[name].shape != value.shape:
            weights[name] = value.swapaxes(1, 2)
    for name in voices:
        voice = 0.3 * mx.random.normal((510, 1, 256))
        mx.save_safetensors(str(folder / "voices" / f"{name}.safetensors"), {"voice": voice})
    # The last of them: before that it is no model, and a worker that looks lists none without voices.
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    return folder
