"""Makes models/tiny-chat: learns a tokenizer, trains the network and writes both in Hugging Face's layout.

    python3.11 -m venv train-venv
    train-venv/bin/pip install torch==2.13.0 numpy tokenizers safetensors transformers jinja2
    train-venv/bin/python tools/train_tiny_chat.py

It takes about 35 minutes on one core. The seed is fixed: the same machine type and the same versions give the
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
TOKENIZER_EXAMPLES = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=MODEL, help="folder of the model (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps (default: %(default)s)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    rng = random.Random(SEED)
    tokenizer.train(itertools.islice(skills.training(rng), TOKENIZER_EXAMPLES), options.out)
    words = tokenizer.load(options.out)
    network = Network(Shape())
    training.save_config(network, words, options.out)
    training.train(network, training.batches(skills.training(rng), words, rng), options.steps, options.out)
    training.save(network, options.out)


if __name__ == "__main__":
    main()
