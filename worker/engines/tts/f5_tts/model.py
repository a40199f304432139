"""How F5-TTS speaks: a recording's spectrogram is continued, out of noise, in a few steps.

The library's `sample` in steps that can be stopped between, for one text at a time. As it is current MLX refuses it:
it asks for noise of a length that is no integer.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import mlx.core as mx
from f5_tts_mlx.cfm import F5TTS
from f5_tts_mlx.utils import convert_char_to_pinyin, list_str_to_idx

from mlxq.media.spoken_text import has_words

SAMPLE_RATE, HOP = 24_000, 256
#: The library's own: steps, strength of the text, how much of the way the first steps take, frames at most.
STEPS, GUIDANCE, SWAY, LONGEST = 8, 2.0, -1.0, 4096
#: Loudness that a quiet recording is brought to.
_LOUDNESS = 0.1


@dataclass(frozen=True, slots=True)
class Sound:
    """Samples, none after a step that has not brought any yet. `token_count`: frames of its spectrogram."""

    audio: mx.array
    token_count: int = 0


class Model:
    """As mlx-audio's models are used."""

    sample_rate = SAMPLE_RATE

    def __init__(self, flow: F5TTS) -> None:
        self._flow = flow

    def parameters(self) -> list[Any]:
        predictor = self._flow._duration_predictor
        vocoder = self._flow._vocoder.__self__
        return [each.parameters() for each in (self._flow, predictor, vocoder) if each is not None]

    def knows(self, text: str) -> bool:
        """Whether there is a sign for any letter or digit of the text."""
        known = self._flow._vocab_char_map
        return any(sign in known and has_words(sign) for sign in convert_char_to_pinyin([text])[0])

    def generate(self, text: str, ref_audio: mx.array, ref_text: str) -> Iterator[Sound]:
        """Says the text with the voice of a recording, in which `ref_text` is said."""
        flow = self._flow
        given = flow._mel_spec(_loud(ref_audio))
        signs = list_str_to_idx(convert_char_to_pinyin([f"{ref_text} {text}"]), flow._vocab_char_map)
        heard = given.shape[1]
        # The library takes the recording for at least as long as all signs, and says its silence too.
        frames = min(max(self._frames(given, signs, ref_text, text), heard + 1), LONGEST)
        known = (mx.arange(frames) < heard)[None, :, None]
        condition = mx.pad(given, [(0, 0), (0, frames - heard), (0, 0)])
        noise = mx.random.normal((flow.num_channels, frames)).T[None]
        for spectrogram in self._steps(noise, condition, signs):
            mx.eval(spectrogram)
            yield Sound(mx.zeros(0))
        samples = flow._vocoder(mx.where(known, condition, spectrogram))
        yield Sound(samples[ref_audio.shape[0] :], frames - heard)

    def _frames(self, given: mx.array, signs: mx.array, ref_text: str, text: str) -> int:
        """How long the recording and the text are together."""
        if self._flow._duration_predictor is not None:
            return int(self._flow.predict_duration(given, signs).item())
        return given.shape[1] + round(given.shape[1] * _length(text) / max(1, _length(ref_text)))

    def _steps(self, spectrogram: mx.array, condition: mx.array, signs: mx.array) -> Iterator[mx.array]:
        """A way from noise to sound, by the method of Runge and Kutta."""

        def flow(time: mx.array, place: mx.array) -> mx.array:
            told, untold = (
                self._flow.transformer(
                    x=place,
                    cond=condition,
                    text=signs,
                    time=time,
                    drop_audio_cond=without,
                    drop_text=without,
                )
                for without in (False, True)
            )
            return told + (told - untold) * GUIDANCE

        times = mx.linspace(0, 1, STEPS)
        times = times + SWAY * (mx.cos(mx.pi / 2 * times) - 1 + times)
        for time, end in pairwise(times):
            length = end - time
            first = flow(time, spectrogram)
            second = flow(time + 0.5 * length, spectrogram + 0.5 * length * first)
            third = flow(time + 0.5 * length, spectrogram + 0.5 * length * second)
            fourth = flow(time + length, spectrogram + length * third)
            spectrogram = spectrogram + (length / 6) * (first + 2 * second + 2 * third + fourth)
            yield spectrogram


def _loud(samples: mx.array) -> mx.array:
    loudness = mx.sqrt(mx.mean(mx.square(samples)))
    return mx.where(loudness < _LOUDNESS, samples * _LOUDNESS / mx.maximum(loudness, 1e-6), samples)


def _length(text: str) -> int:
    """How long a text takes to say, where nothing better is known: in bytes, and a Chinese pause is long."""
    return len(text.encode()) + 3 * len(re.findall("[。、\uff1b\uff1a\uff0c\uff1f\uff01]", text))
