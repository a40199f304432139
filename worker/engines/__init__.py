"""Engines: one module per family of models. `ENGINES` lists the categories that this worker serves.

Loaders import their library when they are called, on the thread that will own the model.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from config.settings import Settings
from jobs.kinds import Category
from jobs.questions import Answer, Asked
from mlxq.catalog import ModelRef
from mlxq.catalog.model_config import config_in
from mlxq.catalog.vision import sees
from worker.engines.base import Engine
from worker.engines.importing import importing
from worker.guard import guarded

log = logging.getLogger(__name__)

Loader = Callable[[ModelRef, Settings], Engine[Any]]


def _load_chat(ref: ModelRef, settings: Settings) -> Engine[Any]:
    with importing():
        from worker.engines.loading import folder
    ref = replace(ref, path=folder(ref))
    assert ref.path is not None
    config = config_in(ref.path)
    if sees(ref.base_id, config):
        with importing():
            from worker.engines.llm.vision import engine as vision

            known = vision.knows(config)
        if known:
            try:
                return vision.load(ref, settings)
            except ValueError as error:  # weights are missing: the checkpoint has no vision part
                log.warning("%s does not load as a vision model (%s): text only", ref.id, str(error)[:200])
        else:
            log.warning("mlx-vlm has no models like %s: text only", ref.id)
    with importing():
        from worker.engines.llm import chat
    return chat.load(ref, settings)


def _load_embedding(ref: ModelRef, settings: Settings) -> Engine[Any]:
    with importing():
        from worker.engines.embedding.loading import load

    return load(ref, settings)


def _load_transcription(ref: ModelRef, settings: Settings) -> Engine[Any]:
    with importing():
        from worker.engines import asr
        from worker.engines.loading import folder
    path = folder(ref)
    with importing():
        family = asr.family(ref, path)
    return asr.engine(family.load(path), settings)


def _load_speech(ref: ModelRef, settings: Settings) -> Engine[Any]:
    with importing():
        from worker.engines.tts import loading
    path = loading.folder(ref)
    with importing():
        family = loading.kind_of(ref, path)
    return loading.load(ref, path, family, settings)


def _load_image(ref: ModelRef, settings: Settings) -> Engine[Any]:
    with importing():
        from worker.engines.image import loading
        from worker.engines.loading import folder
    path = folder(ref)
    with importing():
        family = loading.kind_of(ref, path)
    return loading.load(ref, path, family, settings)


def _behind_guard(load: Loader) -> Loader:
    """The same loader behind the guard: it gets a clean view of the folder, and libraries run none of its code."""

    def guarded_load(ref: ModelRef, settings: Settings) -> Engine[Any]:
        return guarded(ref, settings, lambda viewed: load(viewed, settings))

    return guarded_load


class Reader(Protocol):
    """Makes prompts as a chat engine does, without the model."""

    def answer(self, asked: Asked) -> Answer: ...

    def close(self) -> None: ...


def load_reader(ref: ModelRef, settings: Settings) -> Reader:
    """The reader of a language model, behind the guard. Raises MlxqError."""

    def load(viewed: ModelRef) -> Reader:
        with importing():
            from worker.engines.llm.prompts import tokenizer

            # Transformers imports the module of a tokenizer when it is first loaded.
            return tokenizer.load(viewed)

    return guarded(ref, settings, load)


ENGINES: Mapping[Category, Loader] = {
    Category.LLM: _behind_guard(_load_chat),
    Category.EMBEDDING: _behind_guard(_load_embedding),
    Category.ASR: _behind_guard(_load_transcription),
    Category.TTS: _behind_guard(_load_speech),
    Category.IMAGE: _behind_guard(_load_image),
}
