"""How many tokens a model takes: what config.json says, as the hub's files say it."""

from typing import Any

import pytest

from mlxq.catalog.context import context_length

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
LLAMA = {"rope_type": "llama3", "original_max_position_embeddings": 8192}

CONFIGS: list[tuple[dict[str, Any], int | None]] = [
    ({"model_type": "qwen3", "max_position_embeddings": 40960}, 40960),
    ({"model_type": "qwen3", "max_position_embeddings": 40960, "rope_scaling": YARN}, 131072),
    (
        {
            "model_type": "qwen2",
            "max_position_embeddings": 32768,
            "rope_scaling": {"type": "yarn", "factor": 4},
        },
        131072,
    ),
    # These name the scaled length themselves.
    ({"max_position_embeddings": 131072, "rope_scaling": {**LLAMA, "factor": 8.0}}, 131072),
    ({"max_position_embeddings": 131072, "rope_scaling": {**LLAMA, "factor": 32.0}}, 131072),
    (
        {
            "max_position_embeddings": 163840,
            "rope_scaling": {**YARN, "factor": 40, "original_max_position_embeddings": 4096},
        },
        163840,
    ),
    (
        {
            "max_position_embeddings": 131072,
            "original_max_position_embeddings": 4096,
            "rope_scaling": {"type": "longrope"},
        },
        131072,
    ),
    (
        {
            "max_position_embeddings": 32768,
            "rope_scaling": {"type": "longrope", "original_max_position_embeddings": 32768},
        },
        32768,
    ),
    # These do not.
    ({"max_position_embeddings": 8192, "rope_scaling": {**LLAMA, "factor": 8.0}}, 65536),
    ({"max_position_embeddings": 4096, "rope_scaling": {"type": "linear", "factor": 4.0}}, 16384),
    ({"max_position_embeddings": 4096, "rope_scaling": {"type": "dynamic", "factor": 2.0}}, 8192),
    (
        {
            "max_position_embeddings": 4096,
            "rope_scaling": {"type": "longrope", "factor": 8, "original_max_position_embeddings": 4096},
        },
        32768,
    ),
    # Newer files name it per kind of layer, or under another word.
    (
        {
            "max_position_embeddings": 16384,
            "rope_parameters": {**YARN, "factor": 16, "original_max_position_embeddings": 16384},
        },
        262144,
    ),
    (
        {
            "max_position_embeddings": 8192,
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 2},
                "sliding_attention": {},
            },
        },
        16384,
    ),
    # Gemma 3 as on the hub: the text model names no length; the 27B and the 1B name one, which is scaled already.
    (
        {
            "model_type": "gemma3",
            "text_config": {
                "model_type": "gemma3_text",
                "sliding_window": 1024,
                "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
            },
        },
        131072,
    ),
    ({"model_type": "gemma3_text", "max_position_embeddings": 32768, "sliding_window": 512}, 32768),
    (
        {
            "model_type": "gemma3",
            "text_config": {
                "model_type": "gemma3_text",
                "max_position_embeddings": 131072,
                "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
            },
        },
        131072,
    ),
    # Models that also see: the text model's counts.
    (
        {
            "model_type": "qwen3_vl",
            "text_config": {"max_position_embeddings": 262144},
            "vision_config": {"max_position_embeddings": 64},
        },
        262144,
    ),
    (
        {
            "model_type": "llava",
            "max_position_embeddings": 2048,
            "text_config": {"max_position_embeddings": 4096},
        },
        4096,
    ),
    ({"model_type": "mistral", "max_position_embeddings": 32768, "sliding_window": 4096}, 32768),
    ({"model_type": "gpt2", "n_positions": 1024}, 1024),
    ({"model_type": "mamba"}, None),
    ({}, None),
    # What is no number is nothing.
    ({"max_position_embeddings": "4096"}, None),
    ({"max_position_embeddings": True}, None),
    ({"max_position_embeddings": 4096, "rope_scaling": "yarn"}, 4096),
    ({"max_position_embeddings": 4096, "rope_scaling": {"type": "yarn", "factor": "4"}}, 4096),
    ({"max_position_embeddings": 4096, "rope_scaling": {"type": "yarn", "factor": 1e30}}, 4096),
    ({"max_position_embeddings": 4096, "rope_scaling": {"type": "yarn", "factor": float("nan")}}, 4096),
    ({"max_position_embeddings": 4096, "text_config": ["x"], "rope_scaling": None}, 4096),
]


@pytest.mark.parametrize(("config", "expected"), CONFIGS)
def test_the_context_of_a_config(config: dict[str, Any], expected: int | None) -> None:
    assert context_length(config) == expected
