"""Text to semantic: a transformer that continues the codes of a recording, given the phonemes of all its text.

This module knows phonemes' ids, features and codes. It does not know text or audio. The layout of the network is
that of `Text2SemanticDecoder` in RVC-Boss/GPT-SoVITS; what it ignores there is training.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models.cache import KVCache

from worker.engines.tts.gpt_sovits.weights import Weights, count, fill

#: Most codes of one text, and fewest: 25 of them are a second.
LONGEST, SHORTEST = 1500, 11
#: Channels of one head of attention, where the file does not tell the number of heads.
_HEAD = 32

#: OminiX' names of tensors → ours.
_OMINIX = {
    "phoneme_embed.": "text_embedding.",
    "semantic_embed.": "audio_embedding.",
    "audio_proj.": "bert_proj.",
    "text_pos_alpha": "text_alpha",
    "audio_pos_alpha": "audio_alpha",
    "lm_head.": "predict.",
    ".self_attn.o_proj.": ".out_proj.",
    ".mlp.gate_proj.": ".linear1.",
    ".mlp.down_proj.": ".linear2.",
    ".input_layernorm.": ".norm1.",
    ".post_attention_layernorm.": ".norm2.",
}
#: The original's names → ours.
_ORIGINAL = {
    "ar_text_embedding.word_embeddings.": "text_embedding.",
    "ar_audio_embedding.word_embeddings.": "audio_embedding.",
    "ar_text_position.alpha": "text_alpha",
    "ar_audio_position.alpha": "audio_alpha",
    "ar_predict_layer.": "predict.",
    ".self_attn.in_proj_": ".in_proj.",
    ".self_attn.out_proj.": ".out_proj.",
    "h.layers.": "layers.",
}


@dataclass(frozen=True, slots=True)
class Sampling:
    """How codes are drawn; the defaults are the original's."""

    top_k: int = 15
    top_p: float = 1.0
    temperature: float = 1.0
    repetition_penalty: float = 1.35


class Layer(nn.Module):
    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.linear1, self.linear2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def __call__(self, x: mx.array, mask: mx.array | None, cache: KVCache) -> mx.array:
        length, width = x.shape[1:]
        split = self.in_proj(x).reshape(1, length, 3, self._heads, -1)
        q, k, v = split.transpose(2, 0, 3, 1, 4)
        k, v = cache.update_and_fetch(k, v)
        scale = 1 / math.sqrt(q.shape[-1])
        told = mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask=mask)
        x = self.norm1(x + self.out_proj(told.swapaxes(1, 2).reshape(1, length, width)))
        return self.norm2(x + self.linear2(nn.relu(self.linear1(x))))


class TextToSemantic(nn.Module):
    def __init__(
        self, width: int, hidden: int, heads: int, layers: int, phonemes: int, codes: int, features: int
    ) -> None:
        """`codes` counts the one that ends a text, which is the last; `features`: those of a phoneme from BERT."""
        super().__init__()
        self.text_embedding = nn.Embedding(phonemes, width)
        self.audio_embedding = nn.Embedding(codes, width)
        self.bert_proj = nn.Linear(features, width)
        self.text_alpha, self.audio_alpha = mx.ones(1), mx.ones(1)
        self.layers = [Layer(width, hidden, heads) for _ in range(layers)]
        self.predict = nn.Linear(width, codes, bias=False)

    @property
    def features(self) -> int:
        return int(self.bert_proj.weight.shape[1])

    def codes(
        self, phonemes: mx.array, features: mx.array, prompt: mx.array | None, sampling: Sampling
    ) -> Iterator[int]:
        """Yields the codes of the text, one by one.

        `phonemes` [n] and `features` [n, features] are those of the recording's transcript and of the text, `prompt`
        [m] is what was said: without it they are of the text alone.
        """
        end = self.predict.weight.shape[0] - 1
        heard = mx.zeros(end + 1, mx.bool_)
        if prompt is not None:
            heard[prompt] = True
        reading = Reading(self, phonemes, features, prompt)
        for step in range(LONGEST):
            logits = penalised(reading.logits, heard, sampling.repetition_penalty)
            if step < SHORTEST:
                logits[end] = -math.inf
            drawn = mx.random.categorical(filtered(logits, sampling))
            chosen: Any = mx.stack([drawn, mx.argmax(logits)]).tolist()
            code, best = chosen
            if end in (code, best):
                return
            yield code
            heard[code] = True
            reading.hear(code)


class Reading:
    """A text that is being read: what has been said of it, and what may follow."""

    def __init__(
        self, model: TextToSemantic, phonemes: mx.array, features: mx.array, prompt: mx.array | None
    ) -> None:
        self._model = model
        self._said = 0 if prompt is None else len(prompt)
        width = model.text_embedding.weight.shape[1]
        self._waves = sinusoids(max(len(phonemes), self._said + LONGEST), width)
        self._caches = [KVCache() for _ in model.layers]
        x = model.text_embedding(phonemes) + model.bert_proj(features)
        x = x + model.text_alpha * self._waves[: len(phonemes)]
        if prompt is not None:
            y = model.audio_embedding(prompt) + model.audio_alpha * self._waves[: self._said]
            x = mx.concatenate([x, y])
        self.logits = self._run(x, _mask(len(phonemes), self._said))

    def hear(self, code: int) -> None:
        """Go on after this code."""
        y = self._model.audio_embedding(mx.array([code])) + self._model.audio_alpha * self._waves[self._said]
        self._said += 1
        self.logits = self._run(y, None)

    def _run(self, x: mx.array, mask: mx.array | None) -> mx.array:
        x = x[None]
        for layer, cache in zip(self._model.layers, self._caches, strict=True):
            x = layer(x, mask, cache)
        return self._model.predict(x[0, -1])


def penalised(logits: mx.array, heard: mx.array, penalty: float) -> mx.array:
    """Codes that have been heard are less likely."""
    return mx.where(heard, mx.where(logits < 0, logits * penalty, logits / penalty), logits)


def filtered(logits: mx.array, sampling: Sampling) -> mx.array:
    """What is not drawn is negative infinity: beyond `top_p` of the probability, then beyond the `top_k` best."""
    if sampling.top_p < 1:
        order = mx.argsort(-logits)
        total = mx.cumsum(mx.softmax(logits[order], axis=-1))
        beyond = total > sampling.top_p
        beyond[0] = False
        logits = mx.where(beyond[mx.argsort(order)], -math.inf, logits)
    logits = logits / max(sampling.temperature, 1e-5)
    least = mx.min(mx.topk(logits, min(sampling.top_k, len(logits))))
    return mx.where(logits < least, -math.inf, logits)


def sinusoids(length: int, width: int) -> mx.array:
    """[length, width]: sines at even places, cosines at odd ones."""
    rates = mx.exp(mx.arange(0, width, 2) * (-math.log(10_000) / width))
    angles = mx.arange(length)[:, None] * rates[None]
    return mx.stack([mx.sin(angles), mx.cos(angles)], axis=-1).reshape(length, width)


def _mask(text: int, said: int) -> mx.array:
    """Who attends to whom: phonemes to phonemes, codes to phonemes and to earlier codes."""
    places = mx.arange(text + said)
    return (places[None, :] < text) | (places[None, :] <= places[:, None]) & (places[:, None] >= text)


def load(weights: Weights, heads: int | None = None) -> TextToSemantic:
    """The network of these weights, in the original's layout or in OminiX'. Raises ValueError."""
    named = _named(weights)
    try:
        codes, width = named["audio_embedding.weight"].shape
        model = TextToSemantic(
            width=width,
            hidden=named["layers.0.linear1.weight"].shape[0],
            heads=heads or width // _HEAD,
            layers=count(named, "layers."),
            phonemes=named["text_embedding.weight"].shape[0],
            codes=codes,
            features=named["bert_proj.weight"].shape[1],
        )
    except KeyError as error:
        raise ValueError(f"{error} is missing in the weights of its GPT") from None
    fill(model, named)
    return model


def _named(weights: Weights) -> Weights:
    """The tensors under our names."""
    named: Weights = {}
    for name, value in weights.items():
        name = name.removeprefix("model.")
        for table in (_OMINIX, _ORIGINAL):
            for theirs, ours in table.items():
                name = name.replace(theirs, ours)
        named[name] = value
    for name in [name for name in named if ".self_attn.q_proj." in name]:
        parts = [named.pop(name.replace(".q_proj.", f".{part}_proj.")) for part in "qkv"]
        named[name.replace(".self_attn.q_proj.", ".in_proj.")] = mx.concatenate(parts)
    return named
