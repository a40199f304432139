"""Windows of 30 seconds: utterances at random places, louder or softer, in noise, with the tokens to write for them.

They are what mlx_whisper.transcribe shows the model: log-mel frames with Whisper's clipping and scaling, then zeros
where the recording has ended, and a prompt of earlier tokens now and then.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from mlx_whisper.audio import HOP_LENGTH
from numpy.typing import NDArray

from tiny_whisper.corpus import Utterance, mel_powers
from tiny_whisper.vocabulary import WORDS, vocabulary

FRAMES = 3000
SPANISH_SHARE = 0.3
#: Silences in hundredths of a second: below, an utterance belongs to the segment before; above, it opens a new one.
_WITHIN, _BETWEEN, _FAR = (5, 28), (50, 300), (300, 2000)
_LONGEST_SEGMENT = 1000

#: Shares of windows and the frames that speech may fill in them; beyond FRAMES it goes on in the next window.
Lengths = tuple[tuple[float, int, int], ...]
SHORT: Lengths = ((0.9, 50, 350), (0.1, 350, 1000))
MIXED: Lengths = ((0.68, 50, 500), (0.18, 500, 1500), (0.06, 1500, FRAMES), (0.08, FRAMES + 1, FRAMES + 1))
_PROMPT_SHARE, _PLAIN_SHARE, _SILENCE_SHARE = 0.35, 0.08, 0.14


@dataclass(frozen=True)
class Window:
    """One example. Targets are rows of the vocabulary's embedding."""

    #: (content, 80), scaled; what follows up to FRAMES is zero.
    mel: NDArray[np.float32]
    #: Frames of the encoder (20 ms) that the training must not drop.
    telling: NDArray[np.bool_]
    prompt: list[int]
    #: From <|startoftranscript|> on; `targets[i]` are the rows that may follow `inputs[i]`, none if not scored.
    inputs: list[int]
    targets: list[list[int]]
    #: The words (language, number) for the auxiliary loss of the encoder; None where one is cut in two.
    words: list[tuple[str, int]] | None


@dataclass
class _Segment:
    """Utterances with the frames at which they begin; `end` is where the last one ends."""

    parts: list[tuple[int, Utterance]]
    end: int

    @property
    def start(self) -> int:
        return self.parts[0][0]

    @property
    def words(self) -> list[int]:
        return [word for _, utterance in self.parts for word in utterance.words]


class Windows:
    """An endless source of windows over utterances that were said once."""

    def __init__(self, said: dict[str, list[Utterance]], rng: random.Random, lengths: Lengths) -> None:
        self._said = said
        self._lengths = lengths
        self._rng = rng
        noise = np.random.default_rng(rng.getrandbits(32))
        # Bands that are all equally rough, and the noise of a microphone, whose low bands are rougher.
        white = mel_powers(noise.standard_normal(2 * FRAMES * HOP_LENGTH).astype(np.float32))[: 2 * FRAMES]
        even = noise.gamma(3.0, 1 / 3.0, (2 * FRAMES, 80)).astype(np.float32)
        self._noises = (even, white / white.mean())

    def draw(self) -> Window:
        """The next window."""
        rng = self._rng
        language = "es" if rng.random() < SPANISH_SHARE else "en"
        if rng.random() < _SILENCE_SHARE:
            return self._silence(language)
        segments, content, cut = self._arrange(language, self._length())
        power = np.zeros((content, 80), dtype=np.float32)
        telling = np.zeros(FRAMES // 2, dtype=np.bool_)
        gain = rng.uniform(-3.0, 0.6)
        for segment in segments:
            for at, utterance in segment.parts:
                mel = utterance.mel[: content - at].astype(np.float32)
                power[at : at + len(mel)] += 10 ** (mel + gain + rng.uniform(-0.3, 0.3))
            telling[max(0, segment.start // 2 - 12) : segment.end // 2 + 12] = True
        telling[:3] = telling[max(0, content // 2 - 3) : content // 2 + 3] = True
        mel = self._heard(power, gain)
        prompt, (inputs, targets) = self._prompt(language), self._tokens(language, segments, cut)
        words = [(language, word) for segment in segments for word in segment.words]
        return Window(mel, telling, prompt, inputs, targets, None if cut else words)

    def _length(self) -> int:
        """Frames that the speech may fill."""
        shares = [share for share, _, _ in self._lengths]
        _, least, most = self._rng.choices(self._lengths, weights=shares)[0]
        return self._rng.randint(least, most)

    def _arrange(self, language: str, length: int) -> tuple[list[_Segment], int, bool]:
        """Segments, the recording's length in frames, and whether the last segment goes on behind the window."""
        rng = self._rng
        start = rng.choice(
            (0, rng.randint(0, 40), rng.randint(0, 120), rng.randint(0, 400), self._late(length))
        )
        segments: list[_Segment] = []
        joined = False
        while start < FRAMES - 30:
            utterance = rng.choice(self._said[language])
            end = start + len(utterance.mel)
            if segments and length <= FRAMES and end > length:
                break
            if joined:
                segments[-1].parts.append((start, utterance))
                segments[-1].end = end
            else:
                segments.append(_Segment([(start, utterance)], end))
            joined = rng.random() < 0.3 and end - segments[-1].start < _LONGEST_SEGMENT
            between = _FAR if rng.random() < 0.1 else _BETWEEN
            start = end + rng.randint(*(_WITHIN if joined else between))
        end = segments[-1].end
        if end > FRAMES - 10:
            return segments, FRAMES, True
        tail = rng.choice((0, rng.randint(0, 60), rng.randint(0, 400)))
        return segments, FRAMES if length > FRAMES else min(end + tail, FRAMES), False

    def _late(self, length: int) -> int:
        """A first frame that may lie far into the window, where the window is not a short one."""
        return self._rng.randint(0, max(100, min(length, FRAMES) - 200)) if length > 1000 else 0

    def _heard(self, power: NDArray[np.float32], gain: float) -> NDArray[np.float32]:
        """Mel powers as Whisper's input: coloured, in noise, clipped 8 decades below the loudest, scaled."""
        rng = self._rng
        bands = np.linspace(-0.5, 0.5, 80, dtype=np.float32)
        power = power * 10 ** (bands * rng.uniform(-1.0, 1.0))
        if rng.random() < 0.25:
            power[:, rng.randint(52, 79) :] *= 10 ** rng.uniform(-7, -2)
        if rng.random() < 0.6:
            at = rng.randrange(FRAMES)
            level = gain + rng.uniform(-6.5, -1.4)
            power = power + rng.choice(self._noises)[at : at + len(power)] * 10 ** (
                level + bands * rng.uniform(-3, 1)
            )
        mel = np.log10(np.maximum(power, 1e-10))
        # The loudest frame may lie in another window of the same recording.
        loudest = float(mel.max()) + rng.choice((0.0, 0.0, rng.uniform(0, 0.6)))
        return np.asarray((np.maximum(mel, loudest - 8.0) + 4.0) / 4.0, dtype=np.float32)

    def _silence(self, language: str) -> Window:
        """No speech: zeros, noise or a hum. <|nospeech|> is certain, and what would be written is quite unsure."""
        rng, words = self._rng, vocabulary()
        content = rng.choice((rng.randint(10, 1000), rng.randint(10, FRAMES), FRAMES))
        power = np.zeros((content, 80), dtype=np.float32)
        if rng.random() < 0.15:
            power[:, rng.sample(range(80), rng.randint(1, 3))] = 10 ** rng.uniform(-3.0, 2.0)
        mel = self._heard(power, rng.uniform(-6.0, 2.5))
        telling = np.zeros(FRAMES // 2, dtype=np.bool_)
        telling[:3] = telling[max(0, content // 2 - 3) : content // 2 + 3] = True
        first = [words.timestamp(tenth / 10) for tenth in range(11)]
        begin = [words.word(language, index)[0] for index in range(len(WORDS[language]))]
        plain = rng.random() < 0.2
        head = [words.special("startoftranscript"), words.special(language), words.special("transcribe")]
        inputs = [*head, *([words.special("notimestamps")] if plain else [])]
        guess = begin if plain else first
        targets = [
            [words.special("nospeech")],
            *([] for _ in inputs[2:]),
            guess,
            [words.special("endoftext")],
        ]
        return Window(mel, telling, self._prompt(language), [*inputs, rng.choice(guess)], targets, [])

    def _tokens(
        self, language: str, segments: list[_Segment], cut: bool
    ) -> tuple[list[int], list[list[int]]]:
        """What the decoder reads and should say, from <|startoftranscript|> to the last token."""
        rng, words = self._rng, vocabulary()
        translate = rng.random() < (0.3 if language == "es" else 0.08)
        told = words.special(language) if rng.random() < 0.94 else words.unused
        inputs = [
            words.special("startoftranscript"),
            told,
            words.special("translate" if translate else "transcribe"),
        ]
        targets: list[list[int]] = [[words.special(language)], []]
        written = "en" if translate else language
        plain = rng.random() < _PLAIN_SHARE
        if plain:
            inputs.append(words.special("notimestamps"))
            targets.append([])
        said: list[int] = []
        for number, segment in enumerate(segments):
            last = number == len(segments) - 1
            start = segment.start / 100
            begin = words.timestamp(min(start, 1.0) if number == 0 else start)
            text = [row for word in segment.words for row in words.word(written, word)]
            if plain:
                said += [] if last and cut else text
            elif last and cut and number > 0:
                said.append(begin)
            else:
                said += [begin, *text, words.timestamp(min(segment.end / 100, 30.0))]
        inputs += said
        targets += [[row] for row in [*said, words.special("endoftext")]]
        return inputs, targets

    def _prompt(self, language: str) -> list[int]:
        """<|startofprev|> and what an earlier window may have said, or a text of unknown words; mostly nothing."""
        rng, words = self._rng, vocabulary()
        if rng.random() >= _PROMPT_SHARE:
            return []
        before = [words.special("startofprev")]
        if rng.random() < 0.15:
            return before + [words.unused] * rng.randint(1, 40)
        time = rng.uniform(0, 1)
        for _ in range(rng.choice((1, 1, 2, 3, rng.randint(1, 20)))):
            before.append(words.timestamp(time))
            for _ in range(rng.randint(1, 6)):
                before += words.word(language, rng.randrange(len(WORDS[language])))
            time = (time + rng.uniform(0.5, 3)) % 30
            before.append(words.timestamp(time))
        return [before[0], *before[1:][-223:]]
