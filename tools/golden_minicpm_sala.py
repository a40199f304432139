"""Make tests/engines/golden/minicpm_sala.json: what MiniCPM-SALA answers, by plain formulas in double precision.

A transcription of openbmb/MiniCPM-SALA's modeling_minicpm_sala.py (eager attention; Lightning attention as its
recurrence) that shares no code with worker/engines/llm/models. Run it from the repository:
`python -m tools.golden_minicpm_sala`.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.sala import CONFIG, weights

OUT = Path(__file__).parents[1] / "tests" / "engines" / "golden" / "minicpm_sala.json"
SEED = 7
#: More than the 128 tokens that mlx-lm's recurrence takes at once.
LENGTH = 200
POSITIONS = [5, 130, LENGTH - 1]

Array = Any


def rms_norm(x: Array, weight: Array) -> Array:
    return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + CONFIG["rms_norm_eps"]) * weight


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def rotary(x: Array) -> Array:
    """[heads, length, width]: the halves of each vector are rotated into each other."""
    _, length, width = x.shape
    frequencies = 1.0 / CONFIG["rope_theta"] ** (np.arange(0, width, 2) / width)
    angles = np.outer(np.arange(length), frequencies)
    cos, sin = (np.concatenate([f(angles), f(angles)], axis=-1) for f in (np.cos, np.sin))
    rotated = np.concatenate([-x[..., width // 2 :], x[..., : width // 2]], axis=-1)
    return x * cos + rotated * sin


def slopes(heads: int) -> list[float]:
    if math.log2(heads).is_integer():
        start = 2 ** (-(2 ** -(math.log2(heads) - 3)))
        return [start * start**i for i in range(heads)]
    closest = 2 ** math.floor(math.log2(heads))
    return slopes(closest) + slopes(2 * closest)[0::2][: heads - closest]


class Layer:
    def __init__(self, drawn: dict[str, Array], number: int) -> None:
        prefix = f"model.layers.{number}."
        self.weights = {k.removeprefix(prefix): v for k, v in drawn.items() if k.startswith(prefix)}
        self.mixer = CONFIG["mixer_types"][number]
        self.residual = CONFIG["scale_depth"] / math.sqrt(CONFIG["num_hidden_layers"])

    def linear(self, name: str, x: Array) -> Array:
        return x @ self.weights[f"{name}.weight"].T

    def heads(self, name: str, x: Array, count: int) -> Array:
        """A projection, [heads, length, width], with shared heads repeated until there are `count`."""
        split = self.linear(name, x).reshape(len(x), -1, CONFIG["head_dim"]).transpose(1, 0, 2)
        return np.repeat(split, count // len(split), axis=0)

    def __call__(self, x: Array) -> Array:
        normed = rms_norm(x, self.weights["input_layernorm.weight"])
        attend = self.attention if self.mixer == "minicpm4" else self.lightning
        x = x + attend(normed) * self.residual
        normed = rms_norm(x, self.weights["post_attention_layernorm.weight"])
        gate = self.linear("mlp.gate_proj", normed)
        inner = gate * sigmoid(gate) * self.linear("mlp.up_proj", normed)
        return x + self.linear("mlp.down_proj", inner) * self.residual

    def attention(self, x: Array) -> Array:
        count = CONFIG["num_attention_heads"]
        q, k, v = (self.heads(f"self_attn.{name}_proj", x, count) for name in "qkv")
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(CONFIG["head_dim"])
        scores = np.where(np.tril(np.ones(scores.shape[1:], dtype=bool)), scores, -np.inf)
        out = (softmax(scores) @ v).transpose(1, 0, 2).reshape(len(x), -1)
        return self.linear("self_attn.o_proj", out * sigmoid(self.linear("self_attn.o_gate", x)))

    def lightning(self, x: Array) -> Array:
        count, width = CONFIG["lightning_nh"], CONFIG["lightning_head_dim"]
        split = {name: self.heads(f"self_attn.{name}_proj", x, count) for name in "qkv"}
        q = rotary(rms_norm(split["q"], self.weights["self_attn.q_norm.weight"]))
        k = rotary(rms_norm(split["k"], self.weights["self_attn.k_norm.weight"]))
        v = split["v"]
        decay = np.exp(-np.array(slopes(count)))[:, None, None]
        state = np.zeros((count, width, width))
        out = np.zeros((len(x), count * width))
        for t in range(len(x)):
            state = state * decay + k[:, t, :, None] * v[:, t, None, :]
            out[t] = (width**-0.5 * q[:, t, None, :] @ state).reshape(-1)
        out = rms_norm(out, self.weights["self_attn.o_norm.weight"])
        return self.linear("self_attn.o_proj", out * sigmoid(self.linear("self_attn.z_proj", x)))


def logits(tokens: list[int]) -> Array:
    drawn = {name: value.astype(np.float64) for name, value in weights(SEED).items()}
    x = drawn["model.embed_tokens.weight"][tokens] * CONFIG["scale_emb"]
    for number in range(CONFIG["num_hidden_layers"]):
        x = Layer(drawn, number)(x)
    x = rms_norm(x, drawn["model.norm.weight"])
    return x / (CONFIG["hidden_size"] / CONFIG["dim_model_base"]) @ drawn["lm_head.weight"].T


def main() -> None:
    tokens = np.random.RandomState(1).randint(0, 256, LENGTH).tolist()
    answer = logits(tokens)
    golden = {
        "seed": SEED,
        "tokens": tokens,
        "logits": {str(position): np.round(answer[position], 8).tolist() for position in POSITIONS},
    }
    OUT.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
