"""Utterances of one to six words: said once, kept as mel powers in one file, because saying them takes minutes."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mlx_whisper.audio import HOP_LENGTH, N_FFT, mel_filters
from numpy.typing import NDArray

from tiny_whisper import synthesis
from tiny_whisper.vocabulary import WORDS

_LENGTHS, _SHARES = (1, 2, 3, 4, 5, 6), (28, 20, 18, 14, 12, 8)


@dataclass(frozen=True)
class Utterance:
    """`mel` is log10 of the power, (frames of 10 ms, 80), before Whisper's clipping and scaling."""

    language: str
    words: tuple[int, ...]
    mel: NDArray[np.float16]


def mel_powers(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The power in mlx-whisper's mel bands, (frames of 10 ms, 80), of samples that silence surrounds."""
    padded = np.pad(samples, (N_FFT // 2, N_FFT // 2 + HOP_LENGTH))
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_LENGTH]
    spectrum = np.fft.rfft(frames * np.hanning(N_FFT + 1)[:-1])
    return np.asarray(np.abs(spectrum) ** 2 @ np.array(mel_filters(80)).T, dtype=np.float32)


def text_of(language: str, words: tuple[int, ...], rng: random.Random) -> str:
    """The words as a synthesiser gets them: run together, or with a comma's pause now and then."""
    text = WORDS[language][words[0]]
    commas = rng.choice((0.0, 0.0, 0.3, 1.0))
    for word in words[1:]:
        text += (", " if rng.random() < commas else " ") + WORDS[language][word]
    return text


def random_words(rng: random.Random, language: str) -> tuple[int, ...]:
    """One to six words, every sequence of the same length equally likely."""
    return tuple(
        rng.randrange(len(WORDS[language])) for _ in range(rng.choices(_LENGTHS, weights=_SHARES)[0])
    )


def make(count: int, rng: random.Random, file: Path) -> None:
    """Says `count` utterances in the training's voices and writes them to `file`; three in ten are Spanish."""
    said: list[Utterance] = []
    for number in range(count):
        language = "es" if rng.random() < 0.3 else "en"
        words = random_words(rng, language)
        voice = synthesis.trained_voice(rng, language)
        samples = synthesis.speak(text_of(language, words, rng), voice)
        # All at one loudness: the windows choose it.
        samples = samples * (0.1 / max(float(np.sqrt((samples**2).mean())), 1e-4))
        mel = np.log10(np.maximum(mel_powers(samples), 1e-10)).astype(np.float16)
        said.append(Utterance(language, words, mel))
        if number % 1000 == 999:
            print(f"said {number + 1} of {count}", flush=True)
    np.savez(
        file,
        languages=np.array([item.language for item in said]),
        words=np.array([" ".join(map(str, item.words)) for item in said]),
        lengths=np.array([len(item.mel) for item in said]),
        mels=np.concatenate([item.mel for item in said]),
    )


def load(file: Path) -> dict[str, list[Utterance]]:
    """The utterances of each language."""
    kept = np.load(file)
    ends = np.cumsum(kept["lengths"])
    mels = np.split(kept["mels"], ends[:-1])
    found: dict[str, list[Utterance]] = {language: [] for language in WORDS}
    for language, words, mel in zip(kept["languages"].tolist(), kept["words"].tolist(), mels, strict=True):
        found[language].append(Utterance(language, tuple(map(int, words.split())), mel))
    return found
