"""Sampling of F5-TTS: the spectrogram of a recording is continued from noise in a few steps.

This is the library's `sample`, for one text at a time, in steps between which it can be stopped. The original fails
with current MLX: it requests noise of a length that is no integer.
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
#: Values of the library: steps, guidance, sway of the schedule, most frames.
STEPS, GUIDANCE, SWAY, LONGEST = 8, 2.0, -1.0, 4096
#: Loudness to which a quiet recording is amplified.
_LOUDNESS = 0.1


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples, none after the steps before the last. `token_count`: frames of the spectrogram."""

    audio: mx.array
    token_count: int = 0


class Model:
    """The model, with the interface of mlx-audio's models."""

    sample_rate = SAMPLE_RATE

    def __init__(self, flow: F5TTS) -> None:
        self._flow = flow

    def parameters(self) -> list[Any]:
        predictor = self._flow._duration_predictor
        vocoder = self._flow._vocoder.__self__
        return [each.parameters() for each in (self._flow, predictor, vocoder) if each is not None]

    def knows(self, text: str) -> bool:
        """Whether the vocabulary has any letter or digit of the text."""
        known = self._flow._vocab_char_map
        return any(sign in known and has_words(sign) for sign in convert_char_to_pinyin([text])[0])

    def generate(self, text: str, ref_audio: mx.array, ref_text: str) -> Iterator[Chunk]:
        """Speak the text with the voice of a recording, whose transcript is `ref_text`."""
        flow = self._flow
        given = flow._mel_spec(_loud(ref_audio))
        ids = list_str_to_idx(convert_char_to_pinyin([f"{ref_text} {text}"]), flow._vocab_char_map)
        given_frames = given.shape[1]
        # The library makes the recording at least as long as all ids, and returns its silence too.
        frames = min(max(self._frames(given, ids, ref_text, text), given_frames + 1), LONGEST)
        known = (mx.arange(frames) < given_frames)[None, :, None]
        condition = mx.pad(given, [(0, 0), (0, frames - given_frames), (0, 0)])
        noise = mx.random.normal((flow.num_channels, frames)).T[None]
        for spectrogram in self._steps(noise, condition, ids):
            mx.eval(spectrogram)
            yield Chunk(mx.zeros(0))
        samples = flow._vocoder(mx.where(known, condition, spectrogram))
        yield Chunk(samples[ref_audio.shape[0] :], frames - given_frames)

    def _frames(self, given: mx.array, ids: mx.array, ref_text: str, text: str) -> int:
        """The frames of the recording and the text together."""
        if self._flow._duration_predictor is not None:
            return int(self._flow.predict_duration(given, ids).item())
        return given.shape[1] + round(given.shape[1] * _length(text) / max(1, _length(ref_text)))

    def _steps(self, spectrogram: mx.array, condition: mx.array, ids: mx.array) -> Iterator[mx.array]:
        """Integrate from noise to audio with the Runge-Kutta method."""

        def flow(time: mx.array, place: mx.array) -> mx.array:
            told, untold = (
                self._flow.transformer(
                    x=place,
                    cond=condition,
                    text=ids,
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
    """An estimate of how long a text takes to speak: bytes, with more for Chinese pauses."""
    return len(text.encode()) + 3 * len(re.findall("[。、\uff1b\uff1a\uff0c\uff1f\uff01]", text))
