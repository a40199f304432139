"""Loads an F5-TTS of any size from its folder: the tensors' shapes tell the size. The library knows only one."""

import re
from pathlib import Path
from typing import Any

import jieba
import mlx.core as mx
import mlx.nn as nn
from f5_tts_mlx.cfm import F5TTS
from f5_tts_mlx.dit import DiT
from f5_tts_mlx.duration import DurationPredictor, DurationTransformer
from mlx.utils import tree_flatten
from vocos_mlx import Vocos

from mlxq.catalog.families.f5_tts import DURATION, V1, VOCABULARY, VOCODER_FILES, weights_of
from worker.engines.tts.f5_tts.model import Model

Weights = dict[str, mx.array]

#: Channels of one head of attention, in the library's code.
_HEAD = 64
#: Size of the groups of a quantised matrix.
_GROUP = 64
#: Names of a torch checkpoint → names of the library.
_NAMES = (
    (".to_out", ".to_out.layers"),
    (".text_blocks", ".text_blocks.layers"),
    (".ff.ff.0.0", ".ff.ff.layers.0.layers.0"),
    (".ff.ff.2", ".ff.ff.layers.2"),
    (".time_mlp", ".time_mlp.layers"),
    (".conv1d", ".conv1d.layers"),
)
_TORCH = "ema_model."


def load(path: Path, vocoder: Path, cache: Path) -> Model:
    """The model of this folder. `cache`: where the dictionary of Chinese words may be kept.

    Raises ValueError when the files don't fit together.
    """
    # By default it reads a file from the shared folder for temporary files, which anybody may have written.
    jieba.dt.tmp_dir = str(cache)
    jieba.initialize()
    vocabulary = {
        sign: place for place, sign in enumerate((path / VOCABULARY).read_text("utf-8").split("\n"))
    }
    file = weights_of(path)
    if file is None:
        raise ValueError("its weights are missing")
    weights: Any = mx.load(str(file))
    if any(name.startswith(_TORCH) for name in weights):
        weights = _from_torch(weights)
    flow = F5TTS(
        transformer=DiT(**_sizes(weights), text_mask_padding=file.name in V1),
        vocab_char_map=vocabulary,
        vocoder=_vocoder(vocoder).decode,
        duration_predictor=_duration(path, vocabulary),
    )
    _quantize(flow, weights)
    flow.load_weights(list(weights.items()))
    flow.eval()
    return Model(flow)


def _from_torch(weights: Weights) -> Weights:
    """The weights of a torch checkpoint in the library's layout."""
    turned = {}
    for name, value in weights.items():
        name = name.removeprefix(_TORCH)
        if "mel_spec." in name or name in ("initted", "step"):
            continue
        for theirs, ours in _NAMES:
            if theirs in name:
                name = name.replace(theirs, ours)
                break
        turned[name] = value.swapaxes(1, 2) if re.search(r"\.(dwconv|conv1d\..*)\.weight$", name) else value
    return turned


def _sizes(weights: Weights) -> dict[str, float]:
    """The sizes of a transformer."""
    first = "transformer.transformer_blocks.0."
    dim = _length(weights, "transformer.input_embed.proj.bias")
    signs, width = weights["transformer.text_embed.text_embed.weight"].shape
    return {
        "dim": dim,
        "depth": _count(weights, r"transformer\.transformer_blocks\.(\d+)\."),
        "heads": _length(weights, f"{first}attn.to_q.bias") // _HEAD,
        "ff_mult": _length(weights, f"{first}ff.ff.layers.0.layers.0.bias") / dim,
        "text_num_embeds": signs - 1,
        "text_dim": width,
        "conv_layers": _count(weights, r"transformer\.text_embed\.text_blocks\.layers\.(\d+)\."),
    }


def _length(weights: Weights, name: str) -> int:
    if name not in weights:
        raise ValueError(f"'{name}' is missing in its weights")
    return weights[name].shape[0]


def _count(weights: Weights, pattern: str) -> int:
    return len({found[1] for name in weights if (found := re.match(pattern, name))})


def _quantize(flow: F5TTS, weights: Weights) -> None:
    """Quantise the layers whose weights are quantised."""
    scales = {name.removesuffix(".scales") for name in weights if name.endswith(".scales")}
    if not scales:
        return
    one = min(scales)
    bits = 32 * weights[f"{one}.weight"].shape[1] // (_GROUP * weights[f"{one}.scales"].shape[1])
    nn.quantize(flow, group_size=_GROUP, bits=bits, class_predicate=lambda name, _: name in scales)


def _duration(path: Path, vocabulary: dict[str, int]) -> DurationPredictor | None:
    """The predictor of a text's length, which a folder may lack."""
    if not (path / DURATION).is_file():
        return None
    weights: Any = mx.load(str(path / DURATION))
    predictor = DurationPredictor(
        transformer=DurationTransformer(**_sizes(weights)), vocab_char_map=vocabulary
    )
    predictor.load_weights(list(weights.items()))
    predictor.eval()
    return predictor


def _vocoder(path: Path) -> Vocos:
    settings, weights = (path / name for name in VOCODER_FILES)
    if "MelSpectrogramFeatures" not in settings.read_text():
        # The library would download a codec for it.
        raise ValueError("its vocoder is not one of spectrograms")
    vocoder = Vocos.from_pretrained(str(path))
    # The library would leave missing weights random.
    known: Any = mx.load(str(weights))
    wanted: Any = tree_flatten(vocoder.parameters())
    missing = {name for name, _ in wanted} - known.keys()
    if missing:
        raise ValueError(f"'{min(missing)}' is missing in its vocoder's weights")
    return vocoder
