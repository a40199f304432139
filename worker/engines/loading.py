"""Loads a language model from its folder with mlx-lm, and reads what its files say.

This module knows files. It does not know requests. Call it on the thread that will own the model.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import load, load_adapters
from transformers import CONFIG_MAPPING

from config.values import JsonObject
from jobs.errors import InvalidRequest, ModelNotFound
from mlxq.catalog import ModelRef
from mlxq.catalog.context import context_length, text_configs
from mlxq.catalog.foreign_json import read_object
from mlxq.catalog.model_config import config_in
from worker.engines.llm.cpu_layers import quicken
from worker.engines.llm.models import provide
from worker.engines.llm.prompt_cache.layers import needs_checkpoints
from worker.engines.precision import keeps_halves, widen
from worker.engines.weights import weight_bytes

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """`tokenizer` is mlx-lm's wrapper; `config` is config.json, `defaults` generation_config.json.

    `context_length`: None when neither config.json nor the class of its type names one. `vocabulary` is the width of
    the logits, which may be larger than what the tokenizer knows.
    """

    model: Any
    tokenizer: Any
    config: JsonObject
    defaults: JsonObject
    context_length: int | None
    memory_bytes: int
    vocabulary: int
    #: whether what a prompt leaves in the cache can only be cut at checkpoints
    needs_checkpoints: bool = False


def load_language_model(ref: ModelRef) -> LanguageModel:
    """Load a model, with its adapter if it has one, from its folder.

    Raises ModelNotFound, and InvalidRequest when the adapter does not fit the model.
    """
    path = folder(ref)
    provide(str(config_in(path).get("model_type")))
    # No code of a checkpoint is run, and nobody is asked on the terminal whether it may.
    loaded: Any = load(
        str(path),
        tokenizer_config={"trust_remote_code": False},
        return_config=True,
        lazy=not keeps_halves(),
    )
    model, tokenizer, config = loaded
    if ref.adapter is not None:
        _adapt(model, ref)
    widen(model)
    quicken(model)
    return describe(path, model, tokenizer, config, model.parameters())


def folder(ref: ModelRef) -> Path:
    """The model's folder. Raises ModelNotFound: a model is fetched by a job of its own before."""
    if ref.path is None:
        raise ModelNotFound(f"The model '{ref.base_id}' is not installed.", param="model")
    return ref.path


def describe(path: Path, model: Any, tokenizer: Any, config: JsonObject, weights: Any) -> LanguageModel:
    """A loaded model with the facts from its folder. Raises ValueError for one without a tokenizer."""
    # Without its files, transformers makes one that knows no word: all prompts would be empty.
    if not tokenizer.encode("a"):
        raise ValueError("the tokenizer has no words: its files are missing")
    return LanguageModel(
        model=model,
        tokenizer=tokenizer,
        config=config,
        defaults=read_object(path / "generation_config.json"),
        context_length=known_context(config),
        memory_bytes=weight_bytes(weights),
        vocabulary=_vocabulary(model),
        needs_checkpoints=needs_checkpoints(make_prompt_cache(model)),
    )


def _adapt(model: Any, ref: ModelRef) -> None:
    """Put the adapter's layers into the model, as mlx_lm.load does."""
    assert ref.adapter is not None
    try:
        load_adapters(model, str(ref.adapter.path))
    except Exception as error:  # the files of an adapter may hold anything
        log.warning("the adapter %s does not fit %s: %s", ref.adapter.id, ref.base_id, error)
        raise InvalidRequest(
            f"The adapter '{ref.adapter.id}' does not fit the model '{ref.base_id}'.", param="adapters"
        ) from error
    model.eval()
    mx.eval(model.parameters())


def known_context(config: JsonObject) -> int | None:
    """The length in config.json, or else the default of transformers' class for its type."""
    if (said := context_length(config)) is not None:
        return said
    for part in text_configs(config):
        try:
            default = CONFIG_MAPPING[str(part.get("model_type"))]().max_position_embeddings
        except Exception:  # there is no such class, it has no such length, or it needs arguments
            continue
        if isinstance(default, int) and default > 0:
            return default
    return None


def _vocabulary(model: Any) -> int:
    """The width of the logits, from the model: config.json may leave it out. Only the shape is computed."""
    logits = model(mx.zeros((1, 1), dtype=mx.int32), cache=make_prompt_cache(model))
    return int(logits.shape[-1])
