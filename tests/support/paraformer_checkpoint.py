"""A Paraformer's folder as it lies on disk, with random weights, and sounds for it. numpy and safetensors only.

Everything comes from numpy's RandomState, whose stream never changes: golden numbers made from it stay true.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

Floats = np.ndarray[Any, np.dtype[np.float32]]

RATE = 16000
#: Every kind of token there is: blank, begin and end; characters, digits, words, pieces, letters; the unknown one.
_TOKENS = (
    "<blank> <s> </s> 你 好 世 界 今 天 气 很 不 错 我 们 去 看 电 影 吧 一 二 三 四 的 是 在 有 "
    "the and hello world think it's of to we good day play music "
    "a b c i s u he@@ llo@@ mo@@ ther ing s@@ pea@@ king un@@ der <unk>"
)
TOKENS = _TOKENS.split()


@dataclass(frozen=True)
class Sizes:
    features: int
    width: int
    hidden: int
    encoder_layers: int
    decoder_layers: int
    kernel: int
    vocabulary: int


#: `encoder_layers` counts the first one, which takes the features.
TINY = Sizes(560, 64, 96, 4, 3, 11, len(TOKENS))
FULL = Sizes(560, 512, 2048, 50, 16, 11, 8404)


def weights(sizes: Sizes, seed: int) -> dict[str, Floats]:
    """Random tensors under the names, and of the shapes, of a paraformer.safetensors."""
    source = np.random.RandomState(seed)
    drawn: dict[str, Floats] = {}

    def normal(name: str, *shape: int, scale: float) -> None:
        drawn[name] = (source.standard_normal(shape) * scale).astype(np.float32)

    def linear(name: str, outputs: int, inputs: int, *, gain: float = 1.0, bias: bool = True) -> None:
        normal(f"{name}.weight", outputs, inputs, scale=gain / inputs**0.5)
        if bias:
            normal(f"{name}.bias", outputs, scale=0.1)

    def norm(name: str, size: int) -> None:
        drawn[f"{name}.weight"] = (1 + 0.2 * source.standard_normal(size)).astype(np.float32)
        normal(f"{name}.bias", size, scale=0.1)

    def memory(name: str) -> None:
        normal(f"{name}.fsmn_block.weight", sizes.width, 1, sizes.kernel, scale=0.2)

    width = sizes.width
    for number in range(sizes.encoder_layers):
        layer = f"encoder.layers.{number - 1}" if number else "encoder.encoders0.0"
        inputs = width if number else sizes.features
        linear(f"{layer}.self_attn.linear_q_k_v", 3 * width, inputs)
        linear(f"{layer}.self_attn.out_proj", width, width)
        memory(f"{layer}.self_attn")
        linear(f"{layer}.ffn.up_proj", sizes.hidden, width)
        linear(f"{layer}.ffn.down_proj", width, sizes.hidden)
        norm(f"{layer}.norm1", inputs)
        norm(f"{layer}.norm2", width)
    norm("encoder.after_norm", width)

    normal("predictor.conv.weight", width, width, 3, scale=(3 * width) ** -0.5)
    normal("predictor.conv.bias", width, scale=0.1)
    linear("predictor.output_proj", 1, width, gain=2.0)
    # About four tokens a second.
    drawn["predictor.output_proj.bias"] -= 1.5

    normal("decoder.embed.0.weight", sizes.vocabulary, width, scale=1.0)
    for number in range(sizes.decoder_layers):
        layer = f"decoder.layers.{number}"
        memory(f"{layer}.self_attn")
        linear(f"{layer}.src_attn.q_proj", width, width)
        linear(f"{layer}.src_attn.linear_k_v", 2 * width, width)
        linear(f"{layer}.src_attn.out_proj", width, width)
        for name in ("norm1", "norm2", "norm3"):
            norm(f"{layer}.{name}", width)
    for layer in [
        *(f"decoder.layers.{number}" for number in range(sizes.decoder_layers)),
        "decoder.decoders3.0",
    ]:
        linear(f"{layer}.ffn.up_proj", sizes.hidden, width)
        norm(f"{layer}.feed_forward.norm", sizes.hidden)
        linear(f"{layer}.ffn.down_proj", width, sizes.hidden, bias=False)
    norm("decoder.decoders3.0.norm1", width)
    norm("decoder.after_norm", width)
    linear("decoder.output_proj", sizes.vocabulary, width)
    return drawn


def paraformer_checkpoint(folder: Path, seed: int, sizes: Sizes = TINY) -> Path:
    """Write paraformer.safetensors, am.mvn and tokens.txt into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights(sizes, seed), folder / "paraformer.safetensors")
    (folder / "am.mvn").write_text(cmvn(sizes.features, seed))
    characters = (chr(code) for code in range(0x4E00, 0x9FFF))
    tokens = [*TOKENS, *(character for character in characters if character not in TOKENS)][
        : sizes.vocabulary
    ]
    (folder / "tokens.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    return folder


def cmvn(features: int, seed: int) -> str:
    """An am.mvn: a Kaldi network in text that shifts and scales, with numbers such as the real one has."""
    source = np.random.RandomState(seed)
    shift = " ".join(f"{number:.6f}" for number in -12 + source.standard_normal(features))
    scale = " ".join(f"{number:.7f}" for number in 0.2 + 0.02 * source.standard_normal(features))
    return (
        f"<Nnet> \n<Splice> {features} {features} \n[ 0 ]\n"
        f"<AddShift> {features} {features} \n<LearnRateCoef> 0 [ {shift} ]\n"
        f"<Rescale> {features} {features} \n<LearnRateCoef> 0 [ {scale} ]\n</Nnet> \n"
    )


def sound(seconds: float, seed: int) -> Floats:
    """Chords that change four times a second, some noise, an offset, and digital silence near the end."""
    source = np.random.RandomState(seed)
    count = round(seconds * RATE)
    time = np.arange(count) / RATE
    samples = np.zeros(count)
    for start in range(0, count, RATE // 4):
        chord = slice(start, start + RATE // 4)
        for hertz in source.uniform(80, 5000, 5):
            samples[chord] += source.uniform(0.01, 0.15) * np.sin(2 * np.pi * hertz * time[chord])
    samples += 0.01 * source.standard_normal(count) + 0.02
    samples[int(count * 0.8) : int(count * 0.9)] = 0
    return np.clip(samples, -1, 1).astype(np.float32)
