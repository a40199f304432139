"""A GPT-SoVITS' files as they lie on disk, with random weights, and sounds for it. It needs no MLX.

Everything comes from numpy's RandomState, whose stream never changes: golden numbers made from it stay true.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

Floats = np.ndarray[Any, np.dtype[np.float32]]
Tensors = dict[str, Floats]

#: Characters of BERT's vocabulary, which come after the tokens that every BERT has.
CHARACTERS = "你好世界今天气很不错我们去看电影吧一二三四的是在有人大来上个国,.!?…-"
TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS)
CODES, PHONEMES = 1025, 732
RATES = (10, 8, 2, 2, 2)
_UP_KERNELS, _BLOCK_KERNELS, _DILATIONS = (16, 16, 8, 2, 2), (3, 7, 11), (1, 3, 5)
_STYLE, _BINS, _COUPLINGS, _WINDOW = 128, 704, 4, 4


@dataclass(frozen=True)
class Sizes:
    #: of the GPT
    width: int
    layers: int
    #: features of BERT and of HuBERT, and layers of each
    text: int
    sound: int
    deep: int
    #: of SoVITS
    hidden: int
    filter: int
    encoder_layers: int
    channels: int
    voice: int
    up: int
    #: channels of HuBERT's convolutions, what the layers of both widen to, and HuBERT's positional convolution
    heard: int
    wide: int
    positions: int
    groups: int


TINY = Sizes(64, 2, 64, 64, 4, 32, 24, 2, 16, 32, 32, 32, 96, 16, 4)
FULL = Sizes(512, 24, 1024, 768, 12, 192, 768, 6, 192, 512, 512, 512, 3072, 128, 16)


class Draw:
    """Draws tensors by name."""

    def __init__(self, seed: int) -> None:
        self._source = np.random.RandomState(seed)
        self.tensors: Tensors = {}

    def normal(self, name: str, *shape: int, scale: float) -> None:
        self.tensors[name] = (self._source.standard_normal(shape) * scale).astype(np.float32)

    def linear(self, name: str, outputs: int, inputs: int, *, gain: float = 1.0, bias: bool = True) -> None:
        self.normal(f"{name}.weight", outputs, inputs, scale=gain / inputs**0.5)
        if bias:
            self.normal(f"{name}.bias", outputs, scale=0.1)

    def conv(
        self, name: str, outputs: int, inputs: int, kernel: int, *, gain: float = 1.0, bias: bool = True
    ) -> None:
        self.normal(f"{name}.weight", outputs, inputs, kernel, scale=gain / (inputs * kernel) ** 0.5)
        if bias:
            self.normal(f"{name}.bias", outputs, scale=0.05)

    def normed(
        self, name: str, shape: tuple[int, int, int], outputs: int, *, axis: int = 0, gain: float = 1.0
    ) -> None:
        """A weight of a length and a direction."""
        length = [1, 1, 1]
        length[axis] = shape[axis]
        drawn = gain * (np.abs(self._source.standard_normal(length)) * 0.5 + 0.5)
        self.tensors[f"{name}.weight_g"] = drawn.astype(np.float32)
        self.normal(f"{name}.weight_v", *shape, scale=1.0)
        self.normal(f"{name}.bias", outputs, scale=0.05)

    def norm(self, name: str, size: int, weight: str = "weight", bias: str = "bias") -> None:
        drawn = 1 + 0.2 * self._source.standard_normal(size)
        self.tensors[f"{name}.{weight}"] = drawn.astype(np.float32)
        self.normal(f"{name}.{bias}", size, scale=0.1)


def gpt(sizes: Sizes, seed: int) -> Tensors:
    """What `weight` of a .ckpt has."""
    draw, width = Draw(seed), sizes.width
    draw.linear("model.bert_proj", width, sizes.text)
    draw.normal("model.ar_text_embedding.word_embeddings.weight", PHONEMES, width, scale=1.0)
    draw.normal("model.ar_audio_embedding.word_embeddings.weight", CODES, width, scale=1.0)
    for part in ("text", "audio"):
        draw.tensors[f"model.ar_{part}_position.alpha"] = np.array([1.3], np.float32)
    for number in range(sizes.layers):
        layer = f"model.h.layers.{number}"
        draw.normal(f"{layer}.self_attn.in_proj_weight", 3 * width, width, scale=1.5 / width**0.5)
        draw.normal(f"{layer}.self_attn.in_proj_bias", 3 * width, scale=0.1)
        draw.linear(f"{layer}.self_attn.out_proj", width, width)
        draw.linear(f"{layer}.linear1", 4 * width, width)
        draw.linear(f"{layer}.linear2", width, 4 * width)
        draw.norm(f"{layer}.norm1", width)
        draw.norm(f"{layer}.norm2", width)
    draw.linear("model.ar_predict_layer", CODES, width, gain=3.0, bias=False)
    # The code that ends a text is not drawn by chance.
    draw.tensors["model.ar_predict_layer.weight"][-1] *= 0.1
    return draw.tensors


def _ending(tensors: Tensors, sizes: Sizes, logit: float) -> None:
    """Give the code that ends a text the same logit at each place."""
    norm, predict = f"model.h.layers.{sizes.layers - 1}.norm2", tensors["model.ar_predict_layer.weight"]
    tensors[f"{norm}.weight"][0], tensors[f"{norm}.bias"][0] = 0, 1
    predict[:, 0] = 0
    predict[-1] = 0
    predict[-1, 0] = logit


def sovits(sizes: Sizes, seed: int) -> Tensors:
    """What `weight` of a .pth has."""
    draw = Draw(seed + 1)
    _text_encoder(draw, sizes)
    _generator(draw, sizes)
    for number in range(_COUPLINGS):
        _coupling(draw, sizes, f"flow.flows.{2 * number}")
    style = _STYLE
    draw.linear("ref_enc.spectral.0.fc", style, _BINS)
    draw.linear("ref_enc.spectral.3.fc", style, style)
    for number in range(2):
        draw.conv(f"ref_enc.temporal.{number}.conv1.conv", 2 * style, style, 5)
    for name in ("w_qs", "w_ks", "w_vs", "fc"):
        draw.linear(f"ref_enc.slf_attn.{name}", style, style)
    draw.linear("ref_enc.fc.fc", sizes.voice, style)
    draw.conv("ssl_proj", sizes.sound, sizes.sound, 2)
    draw.normal("quantizer.vq.layers.0._codebook.embed", CODES - 1, sizes.sound, scale=1.0)
    return draw.tensors


def _text_encoder(draw: Draw, sizes: Sizes) -> None:
    width = sizes.hidden
    draw.conv("enc_p.ssl_proj", width, sizes.sound, 1)
    half = sizes.encoder_layers // 2
    for name, layers in (("encoder_ssl", half), ("encoder_text", sizes.encoder_layers), ("encoder2", half)):
        for number in range(layers):
            _encoder_layer(draw, sizes, f"enc_p.{name}", number)
    draw.normal("enc_p.text_embedding.weight", PHONEMES, width, scale=1.0)
    mixed = sizes.voice
    draw.conv("enc_p.mrte.c_pre", mixed, width, 1)
    draw.conv("enc_p.mrte.text_pre", mixed, width, 1)
    draw.conv("enc_p.mrte.c_post", width, mixed, 1)
    for part in "qkvo":
        draw.conv(f"enc_p.mrte.cross_attention.conv_{part}", mixed, mixed, 1)
    draw.conv("enc_p.proj", 2 * sizes.channels, width, 1, gain=0.5)


def _encoder_layer(draw: Draw, sizes: Sizes, encoder: str, number: int) -> None:
    width = sizes.hidden
    attention = f"{encoder}.attn_layers.{number}"
    for part in "qkvo":
        draw.conv(f"{attention}.conv_{part}", width, width, 1)
    for part in "kv":
        draw.normal(f"{attention}.emb_rel_{part}", 1, 2 * _WINDOW + 1, width // 2, scale=0.3)
    draw.conv(f"{encoder}.ffn_layers.{number}.conv_1", sizes.filter, width, 3)
    draw.conv(f"{encoder}.ffn_layers.{number}.conv_2", width, sizes.filter, 3)
    for norm in (1, 2):
        draw.norm(f"{encoder}.norm_layers_{norm}.{number}", width, "gamma", "beta")


def _coupling(draw: Draw, sizes: Sizes, name: str) -> None:
    width, layers = sizes.hidden, 4
    draw.conv(f"{name}.pre", width, sizes.channels // 2, 1)
    draw.normed(f"{name}.enc.cond_layer", (2 * width * layers, sizes.voice, 1), 2 * width * layers)
    for layer in range(layers):
        draw.normed(f"{name}.enc.in_layers.{layer}", (2 * width, width, 5), 2 * width)
        out = width if layer == layers - 1 else 2 * width
        draw.normed(f"{name}.enc.res_skip_layers.{layer}", (out, width, 1), out)
    draw.conv(f"{name}.post", sizes.channels // 2, width, 1)


def _generator(draw: Draw, sizes: Sizes) -> None:
    channels = sizes.up
    draw.conv("dec.conv_pre", channels, sizes.channels, 7)
    draw.conv("dec.cond", channels, sizes.voice, 1)
    for number, kernel in enumerate(_UP_KERNELS):
        half = channels // 2
        draw.normed(f"dec.ups.{number}", (channels, half, kernel), half, gain=1.7)
        for place, block_kernel in enumerate(_BLOCK_KERNELS):
            block = f"dec.resblocks.{number * len(_BLOCK_KERNELS) + place}"
            for part in ("convs1", "convs2"):
                for step in range(len(_DILATIONS)):
                    draw.normed(f"{block}.{part}.{step}", (half, half, block_kernel), half)
        channels = half
    draw.conv("dec.conv_post", 1, channels, 7, gain=2.0, bias=False)


def hubert(sizes: Sizes, seed: int) -> Tensors:
    """What pytorch_model.bin of chinese-hubert-base has."""
    draw, width = Draw(seed + 2), sizes.sound
    draw.normal("masked_spec_embed", width, scale=1.0)
    inputs = 1
    for number, kernel in enumerate((10, 3, 3, 3, 3, 2, 2)):
        draw.conv(
            f"feature_extractor.conv_layers.{number}.conv", sizes.heard, inputs, kernel, gain=1.4, bias=False
        )
        inputs = sizes.heard
    draw.norm("feature_extractor.conv_layers.0.layer_norm", sizes.heard)
    draw.norm("feature_projection.layer_norm", sizes.heard)
    draw.linear("feature_projection.projection", width, sizes.heard)
    shape = (width, width // sizes.groups, sizes.positions)
    draw.normed("encoder.pos_conv_embed.conv", shape, width, axis=2)
    draw.norm("encoder.layer_norm", width)
    for number in range(sizes.deep):
        layer = f"encoder.layers.{number}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            draw.linear(f"{layer}.attention.{part}", width, width)
        draw.linear(f"{layer}.feed_forward.intermediate_dense", sizes.wide, width)
        draw.linear(f"{layer}.feed_forward.output_dense", width, sizes.wide)
        draw.norm(f"{layer}.layer_norm", width)
        draw.norm(f"{layer}.final_layer_norm", width)
    return draw.tensors


def bert(sizes: Sizes, seed: int) -> Tensors:
    """What pytorch_model.bin of chinese-roberta-wwm-ext-large has, without its heads."""
    draw, width = Draw(seed + 3), sizes.text
    deep = 2 * sizes.deep if sizes is FULL else sizes.deep
    wide = 4 * width if sizes is FULL else sizes.wide
    words = 21128 if sizes is FULL else len(TOKENS)
    for name, count in (("word", words), ("position", 512), ("token_type", 2)):
        draw.normal(f"bert.embeddings.{name}_embeddings.weight", count, width, scale=0.5)
    draw.norm("bert.embeddings.LayerNorm", width)
    for number in range(deep):
        layer = f"bert.encoder.layer.{number}"
        for part in ("query", "key", "value"):
            draw.linear(f"{layer}.attention.self.{part}", width, width)
        draw.linear(f"{layer}.attention.output.dense", width, width)
        draw.linear(f"{layer}.intermediate.dense", wide, width)
        draw.linear(f"{layer}.output.dense", width, wide)
        draw.norm(f"{layer}.attention.output.LayerNorm", width)
        draw.norm(f"{layer}.output.LayerNorm", width)
    draw.linear("bert.pooler.dense", width, width)
    return draw.tensors


#: The networks by the names of their files.
NETWORKS: dict[str, Callable[[Sizes, int], Tensors]] = {
    "gpt": gpt,
    "sovits": sovits,
    "hubert": hubert,
    "bert": bert,
}


def gpt_sovits_checkpoint(folder: Path, seed: int, sizes: Sizes = TINY, ending: float | None = None) -> Path:
    """Write a converted GPT-SoVITS into `folder` and return it. `ending`: the logit of a text's end."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in NETWORKS.items():
        tensors = draw(sizes, seed)
        if name == "gpt" and ending is not None:
            _ending(tensors, sizes, ending)
        save_file(tensors, folder / f"{name}.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt_sovits", "version": "v2"}))
    (folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    return folder


def sound(seconds: float, rate: int, seed: int) -> Floats:
    """Chords that change eight times a second, with some noise: the same sound at each rate but for the noise."""
    source = np.random.RandomState(seed)
    count = round(seconds * rate)
    time = np.arange(count) / rate
    samples = np.zeros(count)
    for part in range(int(seconds * 8) + 1):
        chord = slice(part * rate // 8, (part + 1) * rate // 8)
        for hertz in source.uniform(80, 5000, 5):
            samples[chord] += source.uniform(0.01, 0.15) * np.sin(2 * np.pi * hertz * time[chord])
    samples += 0.01 * source.standard_normal(count)
    return np.clip(samples, -1, 1).astype(np.float32)


#: The original's names of the GPT's tensors → OminiX'.
_OMINIX = {
    "model.bert_proj.": "audio_proj.",
    "model.ar_text_embedding.word_embeddings.": "phoneme_embed.",
    "model.ar_audio_embedding.word_embeddings.": "semantic_embed.",
    "model.ar_text_position.alpha": "text_pos_alpha",
    "model.ar_audio_position.alpha": "audio_pos_alpha",
    "model.ar_predict_layer.": "lm_head.",
    "model.h.": "",
    "self_attn.out_proj.": "self_attn.o_proj.",
    ".linear1.": ".mlp.gate_proj.",
    ".linear2.": ".mlp.down_proj.",
    ".norm1.": ".input_layernorm.",
    ".norm2.": ".post_attention_layernorm.",
}


def ominix_layout(folder: Path, target: Path) -> Path:
    """The same model as OminiX' script would convert it."""
    target.mkdir(parents=True)
    tensors: Tensors = {}
    for name, value in load_file(folder / "gpt.safetensors").items():
        for theirs, ominix in _OMINIX.items():
            name = name.replace(theirs, ominix)
        if ".in_proj_" in name:
            for part, split in zip("qkv", np.split(value, 3), strict=True):
                tensors[name.replace(".in_proj_", f".{part}_proj.")] = np.ascontiguousarray(split)
        else:
            tensors[name] = value
    save_file(tensors, target / "doubao_mixed_gpt_new.safetensors")
    shutil.copyfile(folder / "sovits.safetensors", target / "doubao_mixed_sovits_new.safetensors")
    for name in ("hubert.safetensors", "bert.safetensors"):
        shutil.copyfile(folder / name, target / name)
    tokenizer = Tokenizer(
        WordPiece({token: number for number, token in enumerate(TOKENS)}, unk_token="[UNK]")
    )
    (target / "chinese-roberta-tokenizer").mkdir()
    tokenizer.save(str(target / "chinese-roberta-tokenizer" / "tokenizer.json"))
    return target
