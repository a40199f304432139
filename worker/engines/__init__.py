"""Engines: one module per family of models. `ENGINES` lists the categories that this worker serves.

Loaders import their library when they are called, on the thread that will own the model.
"""

import logging
import resource
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, Protocol

from config.settings import Settings
from jobs.kinds import Category
from jobs.questions import Answer, Asked
from mlxq.catalog import ModelRef
from mlxq.catalog.extras import lacking
from mlxq.catalog.model_config import config_in
from mlxq.catalog.vision import sees
from mlxq.launch.imports import without_collections
from worker.engines.base import Engine
from worker.guard import guarded

log = logging.getLogger(__name__)

Loader = Callable[[ModelRef, Settings], Engine[Any]]

#: The libraries import transformers, whose modules import one another on first use. Two threads at once fail.
_IMPORTS = threading.Lock()
#: set when the first library has been imported
_settled = threading.Event()


@contextmanager
def _own_limits() -> Iterator[None]:
    """mlx-lm sets the limit of open files to (2048, 4096) when it is imported. That fails where the hard limit is
    lower, and would lower a higher one for good.
    """
    real = resource.setrlimit

    def setrlimit(which: int, limits: tuple[int, int]) -> None:
        if which != resource.RLIMIT_NOFILE:
            real(which, limits)

    resource.setrlimit = setrlimit
    try:
        yield
    finally:
        resource.setrlimit = real


@contextmanager
def _importing() -> Iterator[None]:
    """Import by one thread at a time, and without changing this process' limits. NotSupported: an extra is missing.

    Objects of the first import stay for ever and are excluded from Python's garbage collection: each unload collects,
    and a collection that visits all of transformers would delay every other lane.
    """
    with _IMPORTS, _own_limits():
        # No model has been loaded before the first import: nothing is frozen that has to be freed.
        with nullcontext() if _settled.is_set() else without_collections():
            try:
                yield
            except ModuleNotFoundError as error:
                raise lacking(error) or error from error
        _settled.set()


def _load_chat(ref: ModelRef, settings: Settings) -> Engine[Any]:
    with _importing():
        from worker.engines.loading import folder
    ref = replace(ref, path=folder(ref))
    assert ref.path is not None
    config = config_in(ref.path)
    if sees(ref.base_id, config):
        with _importing():
            from worker.engines.llm import vision

            known = vision.knows(config)
        if known:
            try:
                return vision.load(ref, settings)
            except ValueError as error:  # weights are missing: the checkpoint has no vision part
                log.warning("%s does not load as a vision model (%s): text only", ref.id, str(error)[:200])
        else:
            log.warning("mlx-vlm has no models like %s: text only", ref.id)
    with _importing():
        from worker.engines.llm import chat
    return chat.load(ref, settings)


def _load_embedding(ref: ModelRef, settings: Settings) -> Engine[Any]:
    with _importing():
        from worker.engines.embedding.loading import load

    return load(ref, settings)


def _load_transcription(ref: ModelRef, settings: Settings) -> Engine[Any]:
    with _importing():
        from worker.engines import asr
        from worker.engines.loading import folder
    path = folder(ref)
    with _importing():
        family = asr.family(ref, path)
    return asr.engine(family.load(path), settings)


def _load_speech(ref: ModelRef, settings: Settings) -> Engine[Any]:
    with _importing():
        from worker.engines.tts import loading
    path = loading.folder(ref)
    with _importing():
        family = loading.kind_of(ref, path)
    return loading.load(ref, path, family, settings)


def _load_image(ref: ModelRef, settings: Settings) -> Engine[Any]:
    with _importing():
        from worker.engines.image import loading
        from worker.engines.loading import folder
    path = folder(ref)
    with _importing():
        family = loading.kind_of(ref, path)
    return loading.load(ref, path, family, settings)


def _behind_guard(load: Loader) -> Loader:
    """The same loader behind the guard: it gets a clean view of the folder, and libraries run none of its code."""

    def guarded_load(ref: ModelRef, settings: Settings) -> Engine[Any]:
        with _IMPORTS:
            from worker.guard.libraries import disable_model_code

            disable_model_code()
        return guarded(ref, settings, lambda viewed: load(viewed, settings))

    return guarded_load


class Reader(Protocol):
    """Makes prompts as a chat engine does, without the model."""

    def answer(self, asked: Asked) -> Answer: ...

    def close(self) -> None: ...


def load_reader(ref: ModelRef, settings: Settings) -> Reader:
    """The reader of a language model, behind the guard. Raises MlxqError."""

    def load(viewed: ModelRef) -> Reader:
        with _importing():
            from worker.engines.llm import tokenizer

            # Transformers imports the module of a tokenizer when it is first loaded.
            return tokenizer.load(viewed)

    with _IMPORTS:
        from worker.guard.libraries import disable_model_code

        disable_model_code()
    return guarded(ref, settings, load)


ENGINES: Mapping[Category, Loader] = {
    Category.LLM: _behind_guard(_load_chat),
    Category.EMBEDDING: _behind_guard(_load_embedding),
    Category.ASR: _behind_guard(_load_transcription),
    Category.TTS: _behind_guard(_load_speech),
    Category.IMAGE: _behind_guard(_load_image),
}
