"""Chats with pictures on mlx-vlm's models, in the batch of the chat engine.

Pictures are looked at and prompts with them are read one after the other, in pieces, while others decode; their
answers are decoded together. All that chats can do, tools and grammars too, works as it does without pictures.
"""

import logging
from collections import deque
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import mlx_vlm.utils
from mlx_lm import tokenizer_utils
from mlx_lm.utils import load_config

# Imported now, while no other thread imports parts of transformers; mlx-vlm uses them when it loads a model.
from transformers import AutoImageProcessor, AutoProcessor  # noqa: F401

from config.settings import Settings
from jobs.blobs import BlobStore
from jobs.errors import InvalidRequest
from mlxq.catalog import Catalog, ModelRef
from worker.engines.base import Failed, Output
from worker.engines.llm.batch import Batch, Kept, Row
from worker.engines.llm.chat import ChatEngine, _failure
from worker.engines.llm.picture_prompts import PicturePrompt, PicturePrompts
from worker.engines.llm.prompt import Prompt
from worker.engines.llm.sequence import Sequence
from worker.engines.llm.solo import Solo
from worker.engines.llm.vision_model import Decoder, Reading
from worker.engines.loading import LanguageModel, describe, folder
from worker.engines.precision import keeps_halves, widen

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Read:
    """A prompt in reading, and the rows that will answer it."""

    task_id: str
    reading: Reading
    prompt: PicturePrompt
    rows: list[Row]
    runner: Batch | Solo


class VisionEngine(ChatEngine):
    """A vision model and its batch."""

    def __init__(
        self, model: Any, processor: Any, language: LanguageModel, settings: Settings, catalog: Catalog
    ) -> None:
        reader = PicturePrompts(
            language,
            model,
            processor,
            BlobStore(settings.blob_folder),
            settings.max_image_megapixels * 1e6,
        )
        # The draft model of the settings is one for text models.
        super().__init__(language, settings.model_copy(update={"draft_model": ""}), catalog, reader)
        self._model = model
        self._reads: deque[_Read] = deque()
        #: what the prompts of running sequences look like to the prompt cache
        self._keys: dict[Sequence, list[int]] = {}

    def remove(self, task_id: str) -> None:
        self._forget(task_id)
        super().remove(task_id)

    def step(self) -> list[Output]:
        outputs: list[Output] = []
        if self._reads:
            read = self._reads[0]
            try:
                if read.reading.step():
                    self._reads.popleft()
                    tokens = read.prompt.tokens
                    read.runner.insert(read.rows, tokens, len(tokens) - 1, read.reading.cache)
            except Exception as error:
                log.exception("pictures could not be read")
                self.remove(read.task_id)
                outputs.append(Failed(read.task_id, _failure(error)))
        return outputs + super().step()

    def close(self) -> None:
        self._reads.clear()
        self._keys.clear()
        super().close()
        del self._model

    def _start(self, runner: Batch | Solo, rows: list[Row], prompt: Prompt) -> int:
        if not isinstance(prompt, PicturePrompt):
            return super()._start(runner, rows, prompt)
        layers, cached = self._prompts.fetch(prompt.key[:-1])
        if layers is not None:
            # What is read goes into the arrays themselves, which belong to the prompt cache.
            layers = deepcopy(Decoder.without_shift(layers))
        reading = Reading(self._model, prompt.inputs, cached, layers)
        self._reads.append(_Read(rows[0].owner.task_id, reading, prompt, rows, runner))
        self._keys.update((row.owner, prompt.key) for row in rows)
        return cached

    def _keep(self, sequence: Sequence, kept: Kept) -> None:
        """The tokens of pictures say nothing of them: kept under what they are."""
        key = self._keys.get(sequence)
        if key is None:
            super()._keep(sequence, kept)
        elif key:
            tokens, cache = kept
            super()._keep(sequence, (key + tokens[len(key) :], cache))

    def _end(self, task: Any, sequence: Sequence, reason: str, outputs: list[Output]) -> None:
        self._keys.pop(sequence, None)
        super()._end(task, sequence, reason, outputs)

    def _forget(self, task_id: str) -> None:
        self._reads = deque(read for read in self._reads if read.task_id != task_id)
        self._keys = {sequence: key for sequence, key in self._keys.items() if sequence.task_id != task_id}

    def _runner(self, payload: dict[str, Any]) -> Batch | Solo:
        if payload.get("draft_model") is not None:
            raise InvalidRequest("A model that sees takes no draft model.", param="draft_model")
        return super()._runner(payload)


def knows(config: dict[str, Any]) -> bool:
    """Whether mlx-vlm has this type of model."""
    try:
        mlx_vlm.utils.get_model_and_args(config)
    except (ImportError, KeyError, ValueError):
        return False
    return True


def load(ref: ModelRef, settings: Settings) -> VisionEngine:
    """Load a vision model from its folder, or from the hub when it is not installed. For the owner thread."""
    if ref.adapter is not None:
        raise InvalidRequest("A model that sees takes no adapter.", param="adapters")
    path = folder(ref)
    model, processor = mlx_vlm.utils.load(str(path), trust_remote_code=False, lazy=not keeps_halves())
    widen(model)
    config: dict[str, Any] = load_config(path)
    ends = config.get("eos_token_id", (config.get("text_config") or {}).get("eos_token_id"))
    # Templates of older models lie beside their processors.
    template = getattr(processor, "chat_template", None)
    options = {"trust_remote_code": False, **({"chat_template": template} if template else {})}
    tokenizer = tokenizer_utils.load(path, options, eos_token_ids=ends)
    language = describe(path, Decoder(model), tokenizer, config, model.parameters())
    return VisionEngine(model, processor, language, settings, Catalog(settings))
