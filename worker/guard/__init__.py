"""Guards every load: a model is data, and code that comes with it is never run.

Libraries get a clean view of a model's folder (`view.py`), their own ways to load code are disabled (`libraries.py`),
and the interpreter refuses any other attempt (`mlxq/launch/code_wall.py`).
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from config.settings import Settings
from jobs.errors import InvalidRequest, MlxqError, ModelNotFound
from mlxq.catalog import ModelRef
from mlxq.catalog.model_config import config_in
from mlxq.catalog.model_json import UnfitFolder
from mlxq.launch.code_wall import close_to_models, foreign
from worker.guard.sizes import check_sizes
from worker.guard.view import View, make_view

Engine = TypeVar("Engine")

#: The original folders, by the folders of their views.
_sources: dict[Path, Path] = {}
#: Errors of libraries that find no class for a tokenizer, a processor or a network, or none that fits the files.
_AT_A_LOSS = (AttributeError, ImportError, LookupError, OSError, TypeError, ValueError)


def guarded(ref: ModelRef, settings: Settings, load: Callable[[ModelRef], Engine]) -> Engine:
    """The engine that `load` makes from a clean view of the model. The view stays as long as the engine.

    Raises MlxqError.
    """
    ref, views = _viewed(ref, settings)
    try:
        engine = load(ref)
    except Exception as error:
        explained = _explained(ref, views, error)
        _close(views)
        if explained is not None:
            raise explained from error
        raise
    # Some libraries read further files, such as voices, on first use.
    weakref.finalize(engine, _close, views)
    return engine


@contextmanager
def opened(ref: ModelRef, settings: Settings) -> Iterator[ModelRef]:
    """A clean view of a model that is read at once, such as a draft model. Raises MlxqError."""
    if ref.path is not None:
        check_sizes(ref)
    ref, views = _viewed(ref, settings)
    try:
        yield ref
    except Exception as error:
        if (explained := _explained(ref, views, error)) is not None:
            raise explained from error
        raise
    finally:
        _close(views)


@contextmanager
def opened_folder(folder: Path, name: str, settings: Settings) -> Iterator[Path]:
    """A clean view of a folder that belongs to a model, for as long as the model is loaded. Raises MlxqError."""
    view = _view(folder, f"The model '{name}'", settings)
    try:
        yield view.path
    finally:
        _close([view])


def source_of(path: Path) -> Path:
    """The original folder of this view; the folder itself if it is no view."""
    return _sources.get(path, path)


def _viewed(ref: ModelRef, settings: Settings) -> tuple[ModelRef, list[View]]:
    if ref.path is None:
        raise ModelNotFound(f"The model '{ref.base_id}' is not installed.", param="model")
    close_to_models(settings)
    views = [_view(ref.path, f"The model '{ref.base_id}'", settings)]
    ref = replace(ref, path=views[0].path)
    if ref.adapter is not None:
        try:
            adapter = f"The adapter '{ref.adapter.id}'"
            views.append(_view(ref.adapter.path, adapter, settings, param="adapters"))
        except BaseException:
            _close(views)
            raise
        ref = replace(ref, adapter=replace(ref.adapter, path=views[1].path))
    return ref, views


def _view(folder: Path, what: str, settings: Settings, param: str = "model") -> View:
    inside = tuple(root.resolve() for root in (*settings.model_roots, settings.hub_cache))
    try:
        view = make_view(folder, settings.view_folder, inside, links=settings.model_links)
    except UnfitFolder as error:
        raise _unsupported(f"{what} {error}.", param) from None
    _sources[view.path] = folder
    return view


def _close(views: list[View]) -> None:
    for view in views:
        _sources.pop(view.path, None)
        view.close()


def _explained(ref: ModelRef, views: list[View], error: Exception) -> InvalidRequest | None:
    """The error for the caller, if a load failed because of what the model's files hold, as it will each time."""
    if foreign(error):
        return _unsupported(f"The model '{ref.id}' needs code of its own, which is not run here.")
    if isinstance(error, MlxqError) or not isinstance(error, _AT_A_LOSS):
        return None
    if any(view.code for view in views):
        return _unsupported(
            f"The model '{ref.id}' could not be loaded without the code of its own that it names, which is not run "
            f"here ({type(error).__name__})."
        )
    if isinstance(error, OSError) and error.errno is not None:
        return None
    kind = str(config_in(views[0].path).get("model_type") or "")[:64]
    unknown = f"models of the type '{kind}' are not supported, or " if kind else ""
    return _unsupported(
        f"The model '{ref.id}' could not be loaded ({type(error).__name__}): {unknown}its files do not fit each "
        "other. The log of the worker says more."
    )


def _unsupported(message: str, param: str = "model") -> InvalidRequest:
    return InvalidRequest(message, param=param, code="unsupported_model")
