"""Makes models/tiny-whisper: lets Debian's synthesisers speak, and trains Whisper on that.

    apt-get install espeak-ng flite
    python3.11 -m venv train-venv
    train-venv/bin/pip install torch==2.13.0 mlx-whisper==0.4.3 "mlx[cpu]==0.32.4"
    train-venv/bin/python tools/train_tiny_whisper.py

It takes about an hour and a half on one core. The seed is fixed: the same machine type and the same versions give
the same model. torch and the synthesisers are tools of this script only; the server never needs them.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from tiny_whisper import corpus, training
from tiny_whisper.network import Network, Shape
from tiny_whisper.vocabulary import WORDS, vocabulary
from tiny_whisper.windows import MIXED, SHORT, Lengths, Windows

MODEL = Path(__file__).resolve().parent.parent / "models" / "tiny-whisper"
SEED = 20261121
UTTERANCES = 18_000


@dataclass(frozen=True)
class Phase:
    """Steps over windows of these lengths; the encoder gets so many of their empty frames; the learning rate."""

    name: str
    steps: int
    lengths: Lengths
    empty: tuple[int, ...]
    peak: float


PHASES = (
    Phase("short", 1500, SHORT, (24, 48), 1.0),
    Phase("mixed", 1400, MIXED, (32, 64, 128), 0.7),
    Phase("again", 1200, MIXED, (32, 64, 128), 0.6),
    Phase("whole", 80, MIXED, (1500,), 0.1),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=MODEL, help="folder of the model (default: %(default)s)")
    parser.add_argument(
        "--work", type=Path, default=Path("/tmp/tiny-whisper"), help="folder for what is not shipped"
    )
    parser.add_argument(
        "--phase", choices=[phase.name for phase in PHASES], help="go on here, after an earlier run"
    )
    options = parser.parse_args()
    for folder in (options.out, options.work):
        folder.mkdir(parents=True, exist_ok=True)

    torch.set_num_threads(1)
    speech = options.work / "corpus.npz"
    if not speech.exists():
        corpus.make(UTTERANCES, random.Random(SEED), speech)
    words = vocabulary()
    torch.manual_seed(SEED)
    network = Network(Shape(), words.size, words.others, sum(map(len, WORDS.values())))
    network.place_timestamps(slice(words.timestamp(0), words.timestamp(30) + 1), 5)
    said = corpus.load(speech)
    first = [phase.name for phase in PHASES].index(options.phase) if options.phase else 0
    for number, phase in enumerate(PHASES[first:], first):
        if number:
            network.load_state_dict(torch.load(options.work / f"{PHASES[number - 1].name}.pt"))
        rng = random.Random(SEED + number)
        source = training.batches(Windows(said, rng, phase.lengths), rng, phase.empty)
        training.train(network, source, phase.steps, options.out, phase.peak)
        training.save(network, options.out)
        torch.save(network.state_dict(), options.work / f"{phase.name}.pt")


if __name__ == "__main__":
    main()
