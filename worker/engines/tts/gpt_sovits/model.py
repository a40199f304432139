"""GPT-SoVITS as a whole: a recording of a voice and a text to sound, in steps between which it can be stopped.

This module knows no files and no requests. It has the interface of mlx-audio's models.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from worker.engines.tts.gpt_sovits.features import HUBERT_RATE, Bert, Hubert
from worker.engines.tts.gpt_sovits.sovits import SoVITS
from worker.engines.tts.gpt_sovits.style import RATE, spectrogram
from worker.engines.tts.gpt_sovits.t2s import Sampling, TextToSemantic
from worker.engines.tts.gpt_sovits.text import Phonemes

#: Seconds of silence that HuBERT hears after a recording, and that follow each piece of text.
_SILENCE_HEARD, _SILENCE_SPOKEN = 0.6, 0.3
#: Codes that are made in one step.
_STEP = 12
_USUAL = Sampling()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples [n], none while codes are made. `token_count`: codes."""

    audio: mx.array
    token_count: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """Phonemes [n] and their features [n, features]."""

    phonemes: mx.array
    features: mx.array


@dataclass(slots=True, eq=False)
class Recording:
    """The same samples [n] at HuBERT's rate and at that of what is spoken, and what has been heard in them."""

    samples: mx.array
    loud_samples: mx.array
    voice: mx.array | None = None
    prompt: mx.array | None = None
    said: Said | None = None


#: Text and a language, or None for any, to the phonemes of its parts.
FrontEnd = Callable[[str, str | None], Sequence[Phonemes]]


class Model:
    sample_rate = RATE

    def __init__(
        self, t2s: TextToSemantic, sovits: SoVITS, hubert: Hubert, bert: Bert, front_end: FrontEnd
    ) -> None:
        self.t2s, self.sovits, self.hubert, self.bert = t2s, sovits, hubert, bert
        self.front_end = front_end

    def parameters(self) -> list[Any]:
        networks = (self.t2s, self.sovits, self.hubert.model, self.bert.model)
        return [network.parameters() for network in networks]

    def generate(
        self,
        text: str,
        ref_audio: Recording,
        ref_text: str | None = None,
        lang_code: str | None = None,
        speed: float = 1.0,
        sampling: Sampling = _USUAL,
    ) -> Iterator[Chunk]:
        """Speak the text with the voice of a recording, better with its transcript."""
        self._hear(ref_audio, ref_text)
        said = self.said(text, lang_code)
        codes: list[int] = []
        for code in self._codes(said, ref_audio, sampling):
            codes.append(code)
            if len(codes) % _STEP == 0:
                yield Chunk(mx.zeros(0))
        if codes and ref_audio.voice is not None:
            samples = self.sovits.decode(mx.array(codes), said.phonemes, ref_audio.voice, speed)
            silence = mx.zeros(int(_SILENCE_SPOKEN * RATE))
            yield Chunk(mx.concatenate([samples, silence]), len(codes))

    def said(self, text: str, language: str | None) -> Said:
        """The phonemes of a text and their features: BERT's for Chinese, none for other languages."""
        ids: list[int] = []
        features = []
        for part in self.front_end(text, language):
            ids += part.ids
            if part.repeats is not None:
                features.append(self.bert(part.text, part.repeats))
            else:
                features.append(mx.zeros((len(part.ids), self.t2s.features)))
        return Said(mx.array(ids), mx.concatenate(features))

    def prompt(self, samples: mx.array) -> mx.array:
        """The codes of a recording at HuBERT's rate."""
        silence = mx.zeros(int(_SILENCE_HEARD * HUBERT_RATE))
        return self.sovits.encode(self.hubert(mx.concatenate([samples, silence])))

    def _hear(self, recording: Recording, transcript: str | None) -> None:
        """Keep what does not depend on the text. Without a transcript the codes would not be understood."""
        if recording.voice is not None:
            return
        recording.voice = self.sovits.voice(spectrogram(recording.loud_samples))
        if transcript and transcript.strip():
            recording.prompt = self.prompt(recording.samples)
            recording.said = self.said(transcript, None)

    def _codes(self, said: Said, recording: Recording, sampling: Sampling) -> Iterator[int]:
        before = recording.said
        if before is None:
            return self.t2s.codes(said.phonemes, said.features, None, sampling)
        return self.t2s.codes(
            mx.concatenate([before.phonemes, said.phonemes]),
            mx.concatenate([before.features, said.features]),
            recording.prompt,
            sampling,
        )
