"""SoVITS: codes, phonemes and a voice to sound; and a recording's features to codes.

This module knows the network `SynthesizerTrn` of RVC-Boss/GPT-SoVITS, version 2. It does not know text or files.
Shapes are [frames, channels].
"""

import re
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn

from jobs.errors import NotSupported
from worker.engines.tts.gpt_sovits.attention import Attention, Encoder
from worker.engines.tts.gpt_sovits.flow import Flow
from worker.engines.tts.gpt_sovits.generator import Generator
from worker.engines.tts.gpt_sovits.style import StyleEncoder
from worker.engines.tts.gpt_sovits.weights import Weights, count, fill, folded

#: How much noise is in what is spoken.
NOISE = 0.5
#: Rates of the upsamplings, which the weights do not tell.
_USUAL_RATES = (10, 8, 2, 2, 2)
#: Names of the original → ours, which have no layers without weights.
_NAMES = (
    ("quantizer.vq.layers.0._codebook.embed", "codebook"),
    (".gamma", ".weight"),
    (".beta", ".bias"),
    ("ref_enc.spectral.0.fc.", "ref_enc.spectral.0."),
    ("ref_enc.spectral.3.fc.", "ref_enc.spectral.1."),
    ("ref_enc.fc.fc.", "ref_enc.fc."),
    (".conv1.conv.", ".conv."),
)
#: Phonemes of version 1, which has an alphabet of its own.
_FIRST_ALPHABET = 322
#: Tensors that only other versions have.
_OTHER_VERSIONS = {"sv_emb.weight": "v2Pro", "cfm.": "v3 or v4", "bridge.": "v3 or v4", "wns1.": "v3 or v4"}


class ReferenceAttention(nn.Module):
    """`MRTE`: frames learn from the phonemes, and hear the voice."""

    def __init__(self, width: int, hidden: int, heads: int = 4) -> None:
        super().__init__()
        self.cross_attention = Attention(hidden, heads)
        self.c_pre, self.text_pre = nn.Linear(width, hidden), nn.Linear(width, hidden)
        self.c_post = nn.Linear(hidden, width)

    def __call__(self, frames: mx.array, text: mx.array, voice: mx.array) -> mx.array:
        frames = self.c_pre(frames)
        return self.c_post(self.cross_attention(frames, self.text_pre(text)) + frames + voice)


@dataclass(frozen=True, slots=True)
class Sizes:
    codes: int
    content: int
    phonemes: int
    width: int
    hidden: int
    heads: int
    layers: tuple[int, int, int]
    kernel: int
    window: int
    mixed: int
    channels: int
    voice: int


class TextEncoder(nn.Module):
    """Codes and phonemes → means and deviations of what the flow takes."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        before, text, after = (
            Encoder(sizes.width, sizes.hidden, sizes.heads, layers, sizes.kernel, sizes.window)
            for layers in sizes.layers
        )
        self.ssl_proj = nn.Linear(sizes.content, sizes.width)
        self.encoder_ssl, self.encoder_text, self.encoder2 = before, text, after
        self.text_embedding = nn.Embedding(sizes.phonemes, sizes.width)
        self.mrte = ReferenceAttention(sizes.width, sizes.mixed)
        self.proj = nn.Linear(sizes.width, 2 * sizes.channels)

    def __call__(
        self, content: mx.array, phonemes: mx.array, voice: mx.array, speed: float
    ) -> tuple[mx.array, mx.array]:
        frames = self.encoder_ssl(self.ssl_proj(content))
        text = self.encoder_text(self.text_embedding(phonemes))
        frames = self.encoder2(self.mrte(frames, text, voice))
        if speed != 1:
            frames = stretched(frames, int(len(frames) / speed) + 1)
        means, deviations = mx.split(self.proj(frames), 2, axis=-1)
        return means, mx.exp(deviations)


class SoVITS(nn.Module):
    def __init__(self, sizes: Sizes, flow: Flow, generator: Generator, style: StyleEncoder) -> None:
        super().__init__()
        self.codebook = mx.zeros((sizes.codes, sizes.content))
        self.ssl_proj = nn.Conv1d(sizes.content, sizes.content, 2, stride=2)
        self.enc_p = TextEncoder(sizes)
        self.flow, self.dec, self.ref_enc = flow, generator, style

    @property
    def content(self) -> int:
        """Features of HuBERT."""
        return int(self.codebook.shape[1])

    def voice(self, magnitudes: mx.array) -> mx.array:
        """The voice of a recording by its spectrogram."""
        return self.ref_enc(magnitudes)

    def encode(self, features: mx.array) -> mx.array:
        """The codes [n / 2] of a recording by HuBERT's features [n, content]."""
        x = self.ssl_proj(features[None])[0]
        distances = mx.sum(mx.square(self.codebook), axis=1) - 2 * x @ self.codebook.T
        return mx.argmin(distances, axis=-1)

    def decode(
        self,
        codes: mx.array,
        phonemes: mx.array,
        voice: mx.array,
        speed: float = 1,
        noise: mx.array | None = None,
    ) -> mx.array:
        """Samples at 32 kHz of the codes that the phonemes had. `noise` is drawn where it is not given."""
        content = mx.repeat(self.codebook[codes], 2, axis=0)
        means, deviations = self.enc_p(content, phonemes, voice, speed)
        drawn = mx.random.normal(means.shape) if noise is None else noise
        return self.dec(self.flow.back(means + drawn * deviations * NOISE, voice), voice)


def stretched(x: mx.array, length: int) -> mx.array:
    """Frames at places between those that there are, in proportion."""
    places = mx.maximum((mx.arange(length) + 0.5) * (len(x) / length) - 0.5, 0)
    before = mx.minimum(mx.floor(places).astype(mx.int32), len(x) - 1)
    after = mx.minimum(before + 1, len(x) - 1)
    share = (places - before)[:, None]
    return x[before] * (1 - share) + x[after] * share


def load(weights: Weights, rates: tuple[int, ...] = _USUAL_RATES) -> SoVITS:
    """The network of these weights. Raises ValueError, and NotSupported for other versions than 2."""
    _check_version(weights)
    named = _named(folded(weights))
    try:
        model = _model(named, rates)
    except KeyError as error:
        raise ValueError(f"{error} is missing in the weights of its SoVITS") from None
    fill(model, named)
    return model


def _check_version(weights: Weights) -> None:
    text = weights.get("enc_p.text_embedding.weight")
    found = [
        version for mark, version in _OTHER_VERSIONS.items() if any(name.startswith(mark) for name in weights)
    ]
    if not found and text is not None and text.shape[0] == _FIRST_ALPHABET:
        found = ["v1"]
    if found:
        raise NotSupported(
            f"These are weights of GPT-SoVITS {found[0]}; version 2 is supported: s2G2333k.pth, or what was trained "
            "from it.",
            param="model",
        )


def _model(named: Weights, rates: tuple[int, ...]) -> SoVITS:
    """An empty network of the sizes that the shapes tell."""
    relative = named["enc_p.encoder_text.attn_layers.0.emb_rel_k"]
    width = named["enc_p.ssl_proj.weight"].shape[0]
    first = named["enc_p.encoder_text.ffn_layers.0.conv_1.weight"]
    voice, style_width = named["ref_enc.fc.weight"].shape
    channels = named["enc_p.proj.weight"].shape[0] // 2
    codes, content = named["codebook"].shape
    sizes = Sizes(
        codes=codes,
        content=content,
        phonemes=named["enc_p.text_embedding.weight"].shape[0],
        width=width,
        hidden=first.shape[0],
        heads=width // relative.shape[2],
        layers=(
            count(named, "enc_p.encoder_ssl.attn_layers."),
            count(named, "enc_p.encoder_text.attn_layers."),
            count(named, "enc_p.encoder2.attn_layers."),
        ),
        kernel=first.shape[2],
        window=relative.shape[1] // 2,
        mixed=named["enc_p.mrte.c_pre.weight"].shape[0],
        channels=channels,
        voice=voice,
    )
    layer = named["flow.flows.0.enc.in_layers.0.weight"]
    flow = Flow(
        channels=channels,
        width=layer.shape[1],
        kernel=layer.shape[2],
        layers=count(named, "flow.flows.0.enc.in_layers."),
        voice=voice,
        couplings=count(named, "flow.flows."),
    )
    ups = count(named, "dec.ups.")
    if ups != len(rates):
        raise ValueError(f"its generator has {ups} upsamplings, not {len(rates)}")
    blocks = count(named, "dec.resblocks.") // ups
    generator = Generator(
        inputs=channels,
        channels=named["dec.conv_pre.weight"].shape[0],
        rates=rates,
        kernels=tuple(named[f"dec.ups.{number}.weight"].shape[2] for number in range(ups)),
        block_kernels=tuple(named[f"dec.resblocks.{n}.convs1.0.weight"].shape[2] for n in range(blocks)),
        voice=voice,
    )
    style = StyleEncoder(
        bins=named["ref_enc.spectral.0.weight"].shape[1],
        width=style_width,
        out=voice,
        kernel=named["ref_enc.temporal.0.conv.weight"].shape[2],
    )
    return SoVITS(sizes, flow, generator, style)


def _named(weights: Weights) -> Weights:
    """The tensors under our names."""
    named: Weights = {}
    for name, value in weights.items():
        for theirs, ours in _NAMES:
            name = name.replace(theirs, ours)
        # Every second flow turns channels round, and has no weights.
        name = re.sub(r"^flow\.flows\.(\d+)", lambda found: f"flow.flows.{int(found[1]) // 2}", name)
        named[name] = value
    return named
