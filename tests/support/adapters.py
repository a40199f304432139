"""LoRA adapters as mlx_lm.lora writes them, with random weights that change what a model says."""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import linear_to_lora_layers


def random_adapter(folder: Path, model: Path, *, seed: int = 0) -> Path:
    """Write an adapter for all layers of that model into `folder` and return it."""
    folder.mkdir(parents=True)
    config: dict[str, Any] = {
        "fine_tune_type": "lora",
        "lora_parameters": {"dropout": 0.0, "rank": 4, "scale": 10.0},
        "model": str(model),
        "num_layers": 2,
    }
    adapted: Any = mlx_lm.load(str(model))[0]
    adapted.freeze()
    linear_to_lora_layers(adapted, 2, config["lora_parameters"])
    mx.random.seed(seed)
    trained: Any = tree_flatten(adapted.trainable_parameters())
    weights = {name: mx.random.normal(value.shape) * 0.3 for name, value in trained}
    mx.save_safetensors(str(folder / "adapters.safetensors"), weights)
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder
