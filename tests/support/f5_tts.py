"""A random F5-TTS in the hub's layout, small enough to be made by a test, and what its library says with it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import numpy.typing as npt
import pytest
import yaml
from f5_tts_mlx import cfm
from f5_tts_mlx.dit import DiT
from f5_tts_mlx.duration import DurationPredictor, DurationTransformer
from f5_tts_mlx.utils import convert_char_to_pinyin
from mlx.utils import tree_flatten
from vocos_mlx import Vocos

from mlxq.catalog.families.f5_tts import DURATION, V0, V1
from tests.support.audio_samples import samples_of

#: Instead of the sizes that stand in the library.
SIZES = {"dim": 16, "depth": 1, "heads": 1, "ff_mult": 2, "text_dim": 16, "conv_layers": 1}
SIGNS = [" ", *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,!?'", "ni2", "hao3"]
_VOCODER = {
    "feature_extractor": {
        "class_path": "vocos.feature_extractors.MelSpectrogramFeatures",
        "init_args": {"sample_rate": 24000, "n_fft": 1024, "hop_length": 256, "n_mels": 100},
    },
    "backbone": {
        "class_path": "vocos.models.VocosBackbone",
        "init_args": {"input_channels": 100, "dim": 16, "intermediate_dim": 32, "num_layers": 1},
    },
    "head": {
        "class_path": "vocos.heads.ISTFTHead",
        "init_args": {"dim": 16, "n_fft": 1024, "hop_length": 256},
    },
}


def random_f5_tts(folder: Path, name: str = V1[0], *, seconds: float = 2.0, seed: int = 0) -> Path:
    """Weights in a file of that name, torch's or quantized as the hub's are. It goes on until `seconds` are full."""
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(SIGNS))
    mx.random.seed(seed)
    flow = cfm.F5TTS(transformer=DiT(**SIZES, text_num_embeds=len(SIGNS) - 1))
    if name == V1[0]:
        weights = {"initted": mx.array(1.0), "step": mx.array(1.0)}
        for key, value in _parameters(flow):
            weights[f"ema_model.{_by_torch(key)}"] = _turned(key, value)
    else:
        bits = _bits(name)
        if bits is not None:
            nn.quantize(flow, bits=bits, class_predicate=_quantized)
        weights = dict(_parameters(flow))
    mx.save_safetensors(str(folder / name), weights)
    predictor = DurationPredictor(transformer=DurationTransformer(**SIZES, text_num_embeds=len(SIGNS) - 1))
    lengths = dict(_parameters(predictor))
    # One number is much larger than what is added to it, so that all lengths are nearly the same.
    lengths["transformer.input_embed.proj.bias"] = mx.full((SIZES["dim"],), 50.0)
    for key in lengths:
        if "conv_pos_embed" in key:
            lengths[key] *= 0.1
    lengths["to_pred.layers.0.weight"] = mx.full((1, SIZES["dim"]), seconds / SIZES["dim"])
    mx.save_safetensors(str(folder / DURATION), lengths)
    return folder


def random_vocoder(folder: Path, *, seed: int = 0) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(_VOCODER))
    mx.random.seed(seed)
    weights = {"head.istft.window": mx.zeros(1024)}
    for key, value in _parameters(Vocos.from_hparams(str(folder / "config.yaml"))):
        turned = value.swapaxes(1, 2) if key.endswith(("embed.weight", "dwconv.weight")) else value
        weights[key] = turned * (3 if key.startswith("head") else 1)
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    return folder


def sample_directly(
    folder: Path,
    vocoder: Path,
    text: str,
    recording: bytes,
    transcript: str,
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> npt.NDArray[np.float32]:
    """What the library says by itself, of these sizes, with the length of noise that current MLX wants."""
    file = next(folder.glob("model*.safetensors"))
    old = file.name in V0
    if old:
        # The library has forgotten how its files were called, and that silence was not masked.
        (folder / V1[0]).symlink_to(file)
    normal, from_folder = mx.random.normal, Vocos.from_pretrained
    with monkeypatch.context() as patch:
        patch.setattr(cfm, "fetch_from_hub", lambda *_, **__: folder)
        patch.setattr(cfm, "DiT", _sized(DiT, **({"text_mask_padding": False} if old else {})))
        patch.setattr(cfm, "DurationTransformer", _sized(DurationTransformer))
        patch.setattr(Vocos, "from_pretrained", lambda _: from_folder(str(vocoder)))
        patch.setattr(
            mx.random, "normal", lambda shape, **given: normal([int(each) for each in shape], **given)
        )
        # Which would build each kernel by a C++ compiler here.
        patch.setattr(mx, "compile", lambda function: function)
        model = cfm.F5TTS.from_pretrained("any", None if not old else False, _bits(file.name))
        samples = mx.array(samples_of(recording).astype(np.float32))
        loudness = mx.sqrt(mx.mean(mx.square(samples)))
        if loudness < 0.1:
            samples = samples * 0.1 / loudness
        said = convert_char_to_pinyin([f"{transcript} {text}"])
        sound, _ = model.sample(samples[None], text=said, seed=seed)
        return np.array(sound[samples.shape[0] :])


def _parameters(model: nn.Module) -> Any:
    return tree_flatten(model.parameters())


def _bits(name: str) -> int | None:
    found = re.search(r"_(\d)b\.safetensors$", name)
    return int(found[1]) if found else None


def _sized(kind: Callable[..., Any], **more: Any) -> Callable[..., Any]:
    return lambda **given: kind(**{**given, **SIZES, **more})


def _quantized(_: str, module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) and module.weight.shape[1] % 64 == 0


def _by_torch(name: str) -> str:
    """Layers that stand in a row have the number of their place there."""
    return name.replace(".layers.", ".")


def _turned(name: str, value: mx.array) -> mx.array:
    """A convolution's weight as torch has it."""
    return (
        value.swapaxes(1, 2) if name.endswith("weight") and ("dwconv" in name or "conv1d" in name) else value
    )
