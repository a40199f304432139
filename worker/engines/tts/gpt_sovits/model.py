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
#: Recordings whose voices are kept, about a megabyte each.
_KEPT = 8
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

    @property
    def empty(self) -> bool:
        return self.phonemes.size == 0


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """The same samples [n] at HuBERT's rate and at that of what is spoken. `name`: equal for equal samples."""

    samples: mx.array
    loud_samples: mx.array
    name: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What the networks take from a recording: its voice, and with a transcript its codes and what was said."""

    voice: mx.array
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
        #: By the recordings' names and transcripts, the latest last.
        self._heard: dict[tuple[str, str], Heard] = {}

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
        """Speak the text with the voice of a recording, better with its transcript.

        There is no sound of a text that has no phonemes, and a transcript that has none is not used.
        """
        said = self.said(text, lang_code)
        if said.empty:
            return
        heard = self._hear(ref_audio, (ref_text or "").strip())
        codes: list[int] = []
        for code in self._codes(said, heard, sampling):
            codes.append(code)
            if len(codes) % _STEP == 0:
                yield Chunk(mx.zeros(0))
        if codes:
            samples = self.sovits.decode(mx.array(codes), said.phonemes, heard.voice, speed)
            silence = mx.zeros(int(_SILENCE_SPOKEN * RATE))
            yield Chunk(mx.concatenate([samples, silence]), len(codes))

    def said(self, text: str, language: str | None) -> Said:
        """The phonemes of a text and their features: BERT's for Chinese, none for other languages."""
        ids: list[int] = []
        features = [mx.zeros((0, self.t2s.features))]
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

    def _hear(self, recording: Recording, transcript: str) -> Heard:
        """What does not depend on the text, kept for the next one. Codes are understood only with a transcript."""
        key = recording.name, transcript
        heard = self._heard.pop(key, None)
        if heard is None:
            voice = self.sovits.voice(spectrogram(recording.loud_samples))
            said = self.said(transcript, None)
            heard = Heard(voice) if said.empty else Heard(voice, self.prompt(recording.samples), said)
        self._heard[key] = heard
        if len(self._heard) > _KEPT:
            del self._heard[next(iter(self._heard))]
        return heard

    def _codes(self, said: Said, heard: Heard, sampling: Sampling) -> Iterator[int]:
        before = heard.said
        if before is None:
            return self.t2s.codes(said.phonemes, said.features, None, sampling)
        return self.t2s.codes(
            mx.concatenate([before.phonemes, said.phonemes]),
            mx.concatenate([before.features, said.features]),
            heard.prompt,
            sampling,
        )
