"""Engines: one file per family of models. `ENGINES` says which categories this worker serves.

Loaders import their library when they are called, on the thread that will own the model.
"""

from collections.abc import Callable, Mapping

from config.catalog import ModelRef
from config.settings import Settings
from jobs.request import Category
from worker.engines.base import Engine

Loader = Callable[[ModelRef, Settings], Engine]


def _load_chat(ref: ModelRef, settings: Settings) -> Engine:
    from worker.engines.chat import load

    return load(ref, settings)


ENGINES: Mapping[Category, Loader] = {Category.LLM: _load_chat}
