"""Makes models/tiny-chat: learns a tokenizer, trains the network and writes both in Hugging Face's layout.

    python3.11 -m venv train-venv
    train-venv/bin/pip install torch==2.13.0 numpy tokenizers safetensors transformers jinja2
    train-venv/bin/python tools/train_tiny_chat.py

It takes about 45 minutes on one core. The seed is fixed: the same machine type and the same versions give the
same model. torch is a tool of this script only; the server never needs it.
"""

from __future__ import annotations

import argparse
import itertools
import random
from pathlib import Path

import torch
from tiny_chat import skills, tokenizer, training
from tiny_chat.network import Network, Shape

MODEL = Path(__file__).resolve().parent.parent / "models" / "tiny-chat"
SEED = 20261121
STEPS = 5000
POLISH_STEPS = 350
TOKENIZER_EXAMPLES = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=MODEL, help="folder of the model (default: %(default)s)")
    parser.add_argument("--polish", action="store_true", help="only the second phase, from the saved weights")
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps (default: %(default)s)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    torch.set_num_threads(1)
    if not options.polish:
        learn(options.out, options.steps)
    polish(options.out)


def learn(folder: Path, steps: int) -> None:
    """The first phase: the tokenizer, then the whole mix from random weights."""
    torch.manual_seed(SEED)
    rng = random.Random(SEED)
    tokenizer.train(itertools.islice(skills.training(rng), TOKENIZER_EXAMPLES), folder)
    words = tokenizer.load(folder)
    network = Network(Shape())
    training.save_config(network, words, folder)
    training.train(network, training.batches(skills.training(rng), words, rng), steps, folder)
    training.save(network, folder)


def polish(folder: Path) -> None:
    """The second phase, from the saved weights: what is rare, at a fifth of the learning rate."""
    torch.manual_seed(SEED + 1)
    rng = random.Random(SEED + 1)
    words = tokenizer.load(folder)
    network = Network(Shape())
    training.load(network, folder)
    source = training.batches(skills.training(rng, skills.POLISH), words, rng)
    training.train(network, source, POLISH_STEPS, folder, peak=0.2)
    training.save(network, folder)


if __name__ == "__main__":
    main()
