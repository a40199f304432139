"""The training loop: batches of similar length, a falling learning rate, checkpoints in the shipped format.

Knows torch. Does not know what the text is about.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from tiny_chat.dialogue import Dialogue
from tiny_chat.network import Network
from tiny_chat.tokenizer import encode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BATCH_TOKENS = 4096
LONGEST = 1024
PROMPT_WEIGHT = 0.1
_POOL = 2048

Batch = tuple[Tensor, Tensor]


def batches(
    dialogues: Iterator[Dialogue], tokenizer: PreTrainedTokenizerFast, rng: random.Random
) -> Iterator[Batch]:
    """Endless (tokens, weights), both (batch, length), of about BATCH_TOKENS tokens each.

    Examples are sorted by length within a pool, so that padding is rare. The weight of a token is its share
    in the loss: 1 in the answer, PROMPT_WEIGHT in the prompt, 0 in the padding.
    """
    while True:
        pool = [encode(tokenizer, dialogue) for dialogue in itertools.islice(dialogues, _POOL)]
        pool = sorted((item for item in pool if len(item[0]) <= LONGEST), key=lambda item: len(item[0]))
        groups: list[list[tuple[list[int], int]]] = [[]]
        for item in pool:
            if groups[-1] and len(item[0]) * (len(groups[-1]) + 1) > BATCH_TOKENS:
                groups.append([])
            groups[-1].append(item)
        rng.shuffle(groups)
        for group in groups:
            longest = max(len(tokens) for tokens, _ in group)
            tokens = torch.zeros((len(group), longest), dtype=torch.long)
            weights = torch.zeros((len(group), longest))
            for row, (ids, prompt) in enumerate(group):
                tokens[row, : len(ids)] = torch.tensor(ids)
                weights[row, :prompt] = PROMPT_WEIGHT
                weights[row, prompt : len(ids)] = 1.0
            yield tokens, weights


def loss_of(network: Network, batch: Batch) -> Tensor:
    """Weighted mean cross-entropy of each token after the first.

    Only every fourth prompt token is scored, with four times the weight: the head is a fifth of the work.
    """
    tokens, weights = batch
    states = network(tokens[:, :-1]).flatten(0, 1)
    targets, shares = tokens[:, 1:].flatten(), weights[:, 1:].flatten()
    scored = (shares == 1) | ((shares > 0) & (torch.rand(len(shares)) < 0.25))
    shares = torch.where(shares < 1, 4 * shares, shares)[scored]
    losses = functional.cross_entropy(network.head(states[scored]), targets[scored], reduction="none")
    return (losses * shares).sum() / shares.sum()


def train(network: Network, source: Iterator[Batch], steps: int, folder: Path, peak: float = 1.0) -> None:
    """Muon (Jordan et al., 2024) for the matrices, AdamW for the embedding and the norms.

    The learning rate warms up for 100 steps, stays at `peak` of its full value, and falls linearly to zero
    over the last 60 %.
    """
    matrices = [parameter for parameter in network.layers.parameters() if parameter.ndim == 2]
    rest = [parameter for parameter in network.parameters() if all(parameter is not m for m in matrices)]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, lr=0.02, weight_decay=0.01, momentum=0.95),
        torch.optim.AdamW(rest, lr=3e-3, weight_decay=0.0, betas=(0.9, 0.98)),
    ]
    full = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    start, seen, mean = time.monotonic(), 0, 0.0
    for step in range(steps):
        rate = peak * min(1.0, (step + 1) / 100, (steps - step) / (0.6 * steps))
        for optimizer, most in zip(optimizers, full, strict=True):
            optimizer.param_groups[0]["lr"] = rate * most
        batch = next(source)
        loss = loss_of(network, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        seen += batch[0].numel()
        mean = loss.item() if step == 0 else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 0 or step == steps - 1:
            took = time.monotonic() - start
            speed = f"{seen / took:7.0f} tokens/s  {took / 60:5.1f} min"
            print(f"step {step:5d}  loss {mean:.4f}  {speed}", flush=True)
        if step % 500 == 499:
            save(network, folder)


def save(network: Network, folder: Path) -> None:
    """model.safetensors in bfloat16, under the names of Qwen3ForCausalLM."""
    weights = {f"model.{name}": tensor.to(torch.bfloat16) for name, tensor in network.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def load(network: Network, folder: Path) -> None:
    """The weights that `save` wrote."""
    weights = load_file(folder / "model.safetensors")
    network.load_state_dict({name.removeprefix("model."): tensor.float() for name, tensor in weights.items()})


def save_config(network: Network, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """config.json and generation_config.json."""
    ids: Any = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    eos, pad = ids
    config = network.shape.config("bfloat16", eos, pad)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    # It has learnt nothing that is longer: what goes on, under a schema above all, has lost its way.
    longest = {"max_new_tokens": 512, "temperature": 0.5}
    generation = {"do_sample": True, "eos_token_id": [eos, pad], "pad_token_id": pad, **longest}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
