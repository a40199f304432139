"""Chats with images: mlx-vlm's models in the batch of the chat engine.

This module knows how prompts with images are read: one after the other, in pieces, while other sequences decode. All
else that a chat needs is the chat engine's, which runs unchanged.
"""

from typing import Any

import mlx_vlm.utils
from mlx_lm import tokenizer_utils
from mlx_lm.utils import load_config

# Imported now, while no other thread imports parts of transformers; mlx-vlm uses them when it loads a model.
from transformers import AutoImageProcessor, AutoProcessor  # noqa: F401

from config.settings import Settings
from config.values import JsonObject
from jobs.blobs import job_blobs
from jobs.errors import InvalidRequest
from mlxq.catalog import Catalog, ModelRef
from worker.engines.llm.answers.sequence import Sequence
from worker.engines.llm.chat import ChatEngine
from worker.engines.llm.prefill import Runner, TextPrefill, text_prefill
from worker.engines.llm.prompt_cache import Beginning, CachedPrompt
from worker.engines.llm.prompts.prompt import Prompt
from worker.engines.llm.rows.loads import Begun
from worker.engines.llm.rows.row import Row
from worker.engines.llm.vision.image_prompts import ImagePrompt, ImagePrompts
from worker.engines.llm.vision.model import Decoder, ImageReading
from worker.engines.loading import describe, folder
from worker.engines.precision import keeps_halves, widen


class ImagePrefill:
    """Starts prompts with images; leaves the others to `text`."""

    takes_drafts = False

    def __init__(self, model: Any, text: TextPrefill) -> None:
        self._model = model
        self._text = text
        #: the keys of running sequences in the prompt cache
        self._keys: dict[Sequence, list[int]] = {}

    @property
    def outlives(self) -> bool:
        return self._text.outlives

    @property
    def cache_bytes(self) -> int:
        return self._text.cache_bytes

    def clear_cache(self, wanted: int | None = None) -> None:
        self._text.clear_cache(wanted)

    def start(self, runner: Runner, rows: list[Row], prompt: Prompt) -> int | None:
        if not isinstance(prompt, ImagePrompt):
            return self._text.start(runner, rows, prompt)

        def read(beginning: Beginning) -> None:
            layers = Decoder.without_shift(beginning.layers) or None
            tokens, inputs = prompt.tokens, prompt.inputs
            runner.read(rows, ImageReading(self._model, tokens, inputs, beginning.length, layers))

        self._keys.update((row.owner, prompt.key) for row in rows)
        return self._text.begin(rows, prompt.key[:-1], read)

    def load(self) -> list[Begun]:
        return self._text.load()

    def keep(self, sequence: Sequence, cached: CachedPrompt) -> None:
        """Tokens of images do not tell which images they are: the cache is kept under the prompt's key."""
        key = self._keys.get(sequence)
        if key is None:
            self._text.keep(sequence, cached)
        elif key:
            tokens = key[: len(cached.tokens)] + cached.tokens[len(key) :]
            self._text.keep(sequence, CachedPrompt(tokens, cached.layers, cached.checkpoints))

    def end(self, sequence: Sequence) -> None:
        self._keys.pop(sequence, None)

    def remove(self, task_id: str) -> None:
        self._text.remove(task_id)
        self._keys = {sequence: key for sequence, key in self._keys.items() if sequence.task_id != task_id}

    def tidy(self) -> bool:
        return self._text.tidy()

    def close(self) -> None:
        self._keys.clear()
        self._text.close()
        del self._model


def knows(config: JsonObject) -> bool:
    """Whether mlx-vlm has this type of model."""
    try:
        mlx_vlm.utils.get_model_and_args(dict(config))
    except (ImportError, KeyError, ValueError):
        return False
    return True


def load(ref: ModelRef, settings: Settings) -> ChatEngine:
    """Load a vision model from its folder. Call it on the thread that will own it."""
    if ref.adapter is not None:
        raise InvalidRequest("A model that sees takes no adapter.", param="adapters")
    path = folder(ref)
    model, processor = mlx_vlm.utils.load(str(path), trust_remote_code=False, lazy=not keeps_halves())
    widen(model)
    config: JsonObject = load_config(path)
    inner = config.get("text_config")
    ends = config.get("eos_token_id", inner.get("eos_token_id") if isinstance(inner, dict) else None)
    # Templates of older models lie beside their processors.
    template = getattr(processor, "chat_template", None)
    options = {"trust_remote_code": False, **({"chat_template": template} if template else {})}
    tokenizer = tokenizer_utils.load(path, options, eos_token_ids=ends)
    language = describe(path, Decoder(model), tokenizer, config, model.parameters())
    reader = ImagePrompts(
        language, model, processor, job_blobs(settings), settings.max_image_megapixels * 1e6
    )
    prefill = ImagePrefill(model, text_prefill(ref, settings, language))
    return ChatEngine(language, settings, Catalog(settings), reader, prefill)
