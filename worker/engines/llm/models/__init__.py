"""Networks of language models that mlx-lm lacks, written on mlx-lm."""

import importlib
import sys
from importlib.util import find_spec

#: config.json's `model_type` → our module, with `Model` and `ModelArgs` as mlx-lm requires.
_LANGUAGE_MODELS = {"minicpm_sala": "worker.engines.llm.models.minicpm_sala"}


def provide(model_type: str) -> None:
    """Make mlx-lm find our code for this type, unless it has its own."""
    name = f"mlx_lm.models.{model_type}"
    ours = _LANGUAGE_MODELS.get(model_type)
    if ours is not None and name not in sys.modules and find_spec(name) is None:
        sys.modules[name] = importlib.import_module(ours)
