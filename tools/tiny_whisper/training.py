"""The training loop: batches of similar length, a falling learning rate, checkpoints in mlx-whisper's layout."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tiny_whisper.network import Network
from tiny_whisper.vocabulary import VOCABULARY_SIZE, WORDS, vocabulary
from tiny_whisper.windows import FRAMES, Window, Windows

BATCH_FRAMES = 6000
GROUP_SIZE, BITS = 64, 6
_POOL = 768
_SPELLING_WEIGHT = 0.3


@dataclass(frozen=True)
class Batch:
    """Tensors of some windows. `scores` are the targets' shares, zero where nothing is scored."""

    mel: Tensor
    places: Tensor
    bias: Tensor
    inputs: Tensor
    scored: Tensor
    targets: Tensor
    spelled: Tensor
    spelled_lengths: Tensor
    frames: Tensor


def batches(windows: Windows, rng: random.Random, empty: tuple[int, ...]) -> Iterator[Batch]:
    """Endless batches of about BATCH_FRAMES frames; each window keeps so many empty frames as one of `empty` says."""
    while True:
        pool = [
            (window, _kept(window, rng.choice(empty), rng))
            for window in (windows.draw() for _ in range(_POOL))
        ]
        pool.sort(key=lambda item: len(item[1][0]))
        groups: list[list[tuple[Window, tuple[list[int], list[float]]]]] = [[]]
        for item in pool:
            if groups[-1] and len(item[1][0]) * (len(groups[-1]) + 1) > BATCH_FRAMES:
                groups.append([])
            groups[-1].append(item)
        rng.shuffle(groups)
        yield from map(_batch, groups)


def _kept(window: Window, count: int, rng: random.Random) -> tuple[list[int], list[float]]:
    """The numbers of the frames that the encoder gets, and the logarithm of how many each stands for."""
    empty = np.flatnonzero(~window.telling).tolist()
    chosen = set(rng.sample(empty, min(count, len(empty))))
    share = float(np.log(len(empty) / len(chosen))) if chosen else 0.0
    places = [i for i in range(FRAMES // 2) if window.telling[i] or i in chosen]
    return places, [share if place in chosen else 0.0 for place in places]


def _batch(group: list[tuple[Window, tuple[list[int], list[float]]]]) -> Batch:
    words = vocabulary()
    numbers = {
        word: i + 1 for i, word in enumerate((name, i) for name in WORDS for i in range(len(WORDS[name])))
    }
    count, frames = len(group), max(len(places) for _, (places, _) in group)
    length = max(len(window.prompt) + len(window.inputs) for window, _ in group)
    mel = np.zeros((count, frames, 5, 80), dtype=np.float32)
    places = torch.zeros((count, frames), dtype=torch.long)
    bias = torch.full((count, 1, 1, frames), -1e4)
    inputs = torch.full((count, length), words.special("endoftext"))
    scored, targets, spelled = [], [], []
    for row, (window, (kept, shares)) in enumerate(group):
        around = np.zeros((FRAMES + 6, 80), dtype=np.float32)
        around[2 : 2 + len(window.mel)] = window.mel
        mel[row, : len(kept)] = around[2 * np.array(kept)[:, None] + np.arange(5)]
        places[row, : len(kept)] = torch.tensor(kept)
        bias[row, 0, 0, : len(kept)] = torch.tensor(shares)
        tokens = window.prompt + window.inputs
        inputs[row, : len(tokens)] = torch.tensor(tokens)
        for at, wanted in enumerate(window.targets, len(window.prompt)):
            if wanted:
                share = torch.zeros(words.size)
                share[wanted] = 1 / len(wanted)
                scored.append(row * length + at)
                targets.append(share)
        spelled.append([] if window.words is None else [numbers[word] for word in window.words])
    lengths = torch.tensor([len(item) for item in spelled])
    heard = torch.tensor([len(kept) for _, (kept, _) in group])
    flat = torch.tensor([number for item in spelled for number in item], dtype=torch.long)
    # A cut window is not spelled: with no frames it has no loss.
    heard = torch.where(torch.tensor([window.words is None for window, _ in group]), 1, heard)
    return Batch(
        torch.from_numpy(mel),
        places,
        bias,
        inputs,
        torch.tensor(scored),
        torch.stack(targets),
        flat,
        lengths,
        heard,
    )


def losses(network: Network, batch: Batch) -> tuple[Tensor, Tensor]:
    """The decoder's cross-entropy, and the encoder's CTC loss for each word."""
    memory = network.encoder(batch.mel, batch.places, batch.bias)
    states = network.decoder(batch.inputs, memory, batch.bias).flatten(0, 1)[batch.scored]
    said = functional.cross_entropy(network.logits(states), batch.targets)
    spelling = network.speller(memory).log_softmax(-1).transpose(0, 1)
    spelled = functional.ctc_loss(
        spelling, batch.spelled, batch.frames, batch.spelled_lengths, reduction="sum", zero_infinity=True
    )
    return said, spelled / max(1, len(batch.spelled))


def train(network: Network, source: Iterator[Batch], steps: int, folder: Path, peak: float = 1.0) -> None:
    """Muon (Jordan et al., 2024) for the matrices, AdamW for the embedding, the positions and the norms.

    The learning rate warms up for 100 steps, stays at `peak` of its full value, and falls linearly to zero over
    the last 60 %.
    """
    matrices = [
        item for name, item in network.named_parameters() if item.ndim == 2 and "embedding" not in name
    ]
    rest = [item for item in network.parameters() if all(item is not matrix for matrix in matrices)]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, lr=0.02, weight_decay=0.01, momentum=0.95),
        torch.optim.AdamW(rest, lr=3e-3, weight_decay=0.0, betas=(0.9, 0.98)),
    ]
    full = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    begun, means = time.monotonic(), [0.0, 0.0]
    for step, batch in enumerate(itertools.islice(source, steps)):
        rate = peak * min(1.0, (step + 1) / 100, (steps - step) / (0.6 * steps))
        for optimizer, most in zip(optimizers, full, strict=True):
            optimizer.param_groups[0]["lr"] = rate * most
        said, spelled = losses(network, batch)
        (said + _SPELLING_WEIGHT * spelled).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        now = (said.item(), spelled.item())
        means = [one if step == 0 else 0.97 * mean + 0.03 * one for mean, one in zip(means, now, strict=True)]
        if step % 50 == 0 or step == steps - 1:
            took = (time.monotonic() - begun) / 60
            print(f"step {step:5d}  said {means[0]:.4f}  spelled {means[1]:.4f}  {took:5.1f} min", flush=True)
        if step % 250 == 249:
            save(network, folder)


def save(network: Network, folder: Path) -> None:
    """config.json and weights.safetensors: float16, the token embedding in 6 bits, for mlx_whisper.load_models."""
    words, shape = vocabulary(), network.shape
    config = {**shape.config(), "quantization": {"group_size": GROUP_SIZE, "bits": BITS}}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    state = {name: mx.array(item.detach().numpy()) for name, item in network.state_dict().items()}
    state = {name: item for name, item in state.items() if not name.startswith("speller.")}
    for name, channels in (("conv1", shape.n_mels), ("conv2", shape.n_audio_state)):
        weight = state[f"encoder.{name}.weight"]
        state[f"encoder.{name}.weight"] = weight.reshape(weight.shape[0], 3, channels)
    state = {name: item.astype(mx.float16) for name, item in state.items()}
    trained = state.pop("decoder.token_embedding.weight")
    rows = np.full(VOCABULARY_SIZE, words.unused)
    rows[words.tokens] = np.arange(len(words.tokens))
    packed = mx.quantize(trained[mx.array(rows)], group_size=GROUP_SIZE, bits=BITS)
    embedding = dict(zip(("weight", "scales", "biases"), packed, strict=True))
    state |= {f"decoder.token_embedding.{name}": item for name, item in embedding.items()}
    mx.save_safetensors(str(folder / "weights.safetensors"), state, metadata={"format": "mlx"})
