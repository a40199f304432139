"""Measures models/tiny-whisper on speech it never heard, through mlx_whisper.transcribe.

    python tools/evaluate_tiny_whisper.py [--model FOLDER] [--count N] [--errors]

Needs espeak-ng and flite in PATH. Prints a Markdown table: recordings whose whole text is right, and word errors.
The voices or the speeds are held out of the training, and so is every recording.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mlx_whisper
import numpy as np
from numpy.typing import NDArray
from tiny_whisper import corpus, synthesis
from tiny_whisper.synthesis import RATE, Voice
from tiny_whisper.vocabulary import WORDS

MODEL = Path(__file__).resolve().parent.parent / "models" / "tiny-whisper"
SEED = 7

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Recording:
    """Samples, what should be written, and what transcribe is told of them; `language` None: it has to find out."""

    samples: Samples
    text: str
    language: str | None
    task: str = "transcribe"


def held_out_voice(rng: random.Random, language: str) -> Voice:
    """An accent that was trained in a timbre that was not, at a held-out speed."""
    name = f"{rng.choice(synthesis.ACCENTS[language])}+{rng.choice(synthesis.HELD_OUT_TIMBRES)}"
    return Voice("espeak-ng", name, rng.choice(synthesis.HELD_OUT_SPEEDS), rng.randint(30, 70))


def held_out_speed(rng: random.Random, language: str) -> Voice:
    """A voice that was trained, at a speed that was not."""
    name = f"{rng.choice(synthesis.ACCENTS[language])}+{rng.choice(synthesis.TIMBRES)}"
    return Voice("espeak-ng", name, rng.choice(synthesis.HELD_OUT_SPEEDS), rng.randint(30, 70))


def held_out_flite(rng: random.Random, language: str) -> Voice:
    """The other synthesiser's held-out voice."""
    return Voice("flite", rng.choice(synthesis.HELD_OUT_FLITE), rng.choice(synthesis.HELD_OUT_SPEEDS))


def said(
    rng: random.Random, language: str, voice: Callable[[random.Random, str], Voice] = held_out_voice
) -> tuple[Samples, tuple[int, ...]]:
    """One to six words between two short silences, at any loudness, and their numbers."""
    words = corpus.random_words(rng, language)
    samples = synthesis.speak(corpus.text_of(language, words, rng), voice(rng, language))
    before, after = (np.zeros(rng.randint(0, RATE // 2), dtype=np.float32) for _ in range(2))
    return np.concatenate([before, samples * rng.uniform(0.1, 1.0), after]), words


def written(language: str, words: tuple[int, ...]) -> str:
    return " ".join(WORDS[language][word] for word in words)


def clip(language: str, voice: Callable[[random.Random, str], Voice]) -> Callable[[random.Random], Recording]:
    def record(rng: random.Random) -> Recording:
        samples, words = said(rng, language, voice)
        return Recording(samples, written(language, words), language)

    return record


def noisy(rng: random.Random) -> Recording:
    """White noise 15 dB below the speech."""
    samples, words = said(rng, "en")
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(len(samples))
    level = float(np.sqrt((samples**2).mean())) * 10 ** (-15 / 20)
    return Recording((samples + level * noise).astype(np.float32), written("en", words), "en")


def unnamed(rng: random.Random) -> Recording:
    """Either language, and nobody says which."""
    language = rng.choice(("en", "es"))
    samples, words = said(rng, language)
    return Recording(samples, written(language, words), None)


def translated(rng: random.Random) -> Recording:
    """Spanish, to be written in English."""
    samples, words = said(rng, "es")
    return Recording(samples, written("en", words), "es", "translate")


def long(rng: random.Random) -> Recording:
    """40 to 70 seconds, with pauses: two windows or three."""
    parts: list[Samples] = []
    texts, voice, length = [], held_out_voice(rng, "en"), RATE * rng.uniform(40, 70)
    while sum(len(part) for part in parts) < length:
        samples, words = said(rng, "en", lambda *_: voice)
        parts += [samples, np.zeros(int(rng.uniform(0.5, 2) * RATE), dtype=np.float32)]
        texts.append(written("en", words))
    return Recording(np.concatenate(parts), " ".join(texts), "en")


def silent(rng: random.Random) -> Recording:
    """Nothing, or noise."""
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(int(rng.uniform(0.5, 35) * RATE))
    return Recording((noise * rng.choice((0.0, 10 ** rng.uniform(-4, -1)))).astype(np.float32), "", "en")


#: Recordings of each kind, and how many of --count.
KINDS: dict[str, tuple[Callable[[random.Random], Recording], float]] = {
    "English, held-out speeds": (clip("en", held_out_speed), 1),
    "English, held-out voices and speeds": (clip("en", held_out_voice), 1),
    "English, held-out voice of Flite": (clip("en", held_out_flite), 0.5),
    "English, noise 15 dB below": (noisy, 0.5),
    "Spanish, held-out voices and speeds": (clip("es", held_out_voice), 1),
    "either language, not named": (unnamed, 0.5),
    "Spanish translated into English": (translated, 0.5),
    "40 to 70 seconds": (long, 0.2),
    "no speech": (silent, 0.5),
}


def word_errors(wanted: list[str], got: list[str]) -> int:
    """Words to insert, delete or replace."""
    row = list(range(len(got) + 1))
    for i, word in enumerate(wanted, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(got, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--model", type=Path, default=MODEL, help="folder of the model (default: %(default)s)"
    )
    parser.add_argument("--count", type=int, default=100, help="recordings of a kind (default: %(default)s)")
    parser.add_argument("--errors", action="store_true", help="print each wrong text")
    options = parser.parse_args()
    print("| Speech | Exact | Of | % | Wrong words | Of |\n|---|---:|---:|---:|---:|---:|")
    for kind, (record, share) in KINDS.items():
        rng = random.Random(f"{SEED} {kind}")
        exact, errors, words, count = 0, 0, 0, max(1, round(share * options.count))
        for _ in range(count):
            recording = record(rng)
            answer = mlx_whisper.transcribe(
                recording.samples,
                path_or_hf_repo=str(options.model),
                language=recording.language,
                task=recording.task,
                fp16=False,  # the CPU takes half as long
            )
            text = str(answer["text"]).strip()
            exact += text == recording.text
            errors += word_errors(recording.text.split(), text.split())
            words += len(recording.text.split())
            if options.errors and text != recording.text:
                print(f"{kind}: {recording.text!r} became {text!r}", flush=True)
        print(f"| {kind} | {exact} | {count} | {100 * exact / count:.0f} | {errors} | {words} |", flush=True)


if __name__ == "__main__":
    main()
