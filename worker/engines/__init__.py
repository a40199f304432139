"""Engines: one file per family of models. `ENGINES` says which categories this worker serves.

Loaders import their library when they are called, on the thread that will own the model.
"""

import threading
from collections.abc import Callable, Mapping

from config.catalog import ModelRef
from config.settings import Settings
from jobs.request import Category
from worker.engines.base import Engine

Loader = Callable[[ModelRef, Settings], Engine]

#: The libraries import transformers, whose parts import one another on first use: by two threads at once that fails.
_IMPORTING = threading.Lock()


def _load_chat(ref: ModelRef, settings: Settings) -> Engine:
    with _IMPORTING:
        from worker.engines.chat import load

    return load(ref, settings)


def _load_embedding(ref: ModelRef, settings: Settings) -> Engine:
    with _IMPORTING:
        from worker.engines.embedding import load

    return load(ref, settings)


ENGINES: Mapping[Category, Loader] = {Category.LLM: _load_chat, Category.EMBEDDING: _load_embedding}
