"""Deletes a model, unless it is in use, and nothing outside the model roots and the hub's cache."""

import asyncio
import contextlib
import logging
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from starlette.types import Receive

from api.dispatch.call import call, outcome
from api.dispatch.slots import held
from api.http.context import Context
from api.models.inventory import not_found
from api.models.workers import obeyed
from config.settings import REPO
from jobs.client import JobClient
from jobs.errors import Conflict, Forbidden, InvalidRequest, MlxqError, ModelNotFound
from jobs.kinds import KINDS, Category, Kind
from jobs.meta import LoadMeta
from jobs.payloads import NoPayload
from jobs.request import NATIVE_DIALECT, JobRequest, new_job_id
from jobs.usage import jobs_for
from mlxq.catalog import ModelRef, UnknownModel
from mlxq.catalog.installed import TRASH
from mlxq.catalog.stored_prompts import forget_prompts

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Place:
    """A model, and the folder (or link) that goes with it; None when there are only files that must stay."""

    ref: ModelRef
    folder: Path


async def remove(context: Context, jobs: JobClient, name: str, receive: Receive, *, files: bool) -> None:
    """Forget the model, with its files or without. A loaded one that nobody uses is unloaded first.

    Raises ModelNotFound, Conflict, Forbidden and InvalidRequest.
    """
    place = await asyncio.to_thread(_find, context, name)
    model_id = place.ref.base_id
    waiting = await jobs_for(jobs.redis, model_id)
    if waiting:
        raise Conflict(f"Model '{name}' is in use: {len(waiting)} jobs need it.", param="model")
    before = await held(jobs)
    for category, model in sorted({(each.category, each.model) for each in before if each.model}):
        if model == model_id or model.startswith(f"{model_id}+"):
            await _unload(context, jobs, Category(category), model, receive)
            rows = await obeyed(jobs, Kind.UNLOAD, category, model, before)
            if any(row["status"] == "busy" for row in rows):
                raise Conflict(f"Model '{name}' is in use by another worker.", param="model")
    await asyncio.to_thread(_delete, context, place, files)
    context.forget_names()


def _find(context: Context, name: str) -> _Place:
    try:
        ref = context.catalog.resolve(name) if name else None
    except UnknownModel:
        ref = None
    if ref is None:
        raise not_found(name)
    if ref.adapter is not None:
        raise InvalidRequest(f"'{name[:200]}' is a model with an adapter; delete the model.", param="model")
    for category in Category:
        with contextlib.suppress(UnknownModel):
            if context.catalog.default(category).base_id == ref.id:
                raise Conflict(
                    f"Model '{name}' is the server's own: {category.upper()}_MODEL names it.", param="model"
                )
    return _Place(ref, _folder(context, ref, name))


def _folder(context: Context, ref: ModelRef, name: str) -> Path:
    """What has to go. Raises Forbidden when it lies where nothing is deleted."""
    cache = context.settings.hub_cache
    cached = cache / f"models--{ref.id.replace('/', '--')}"
    if ref.path is None or ref.path.is_relative_to(cached):
        # Also what has come of a download that was given up.
        if not cached.is_dir() or cached.is_symlink():
            raise not_found(name)
        return cached
    path = ref.path.absolute()
    if path.resolve().is_relative_to((REPO / "models").resolve()):
        raise Forbidden(f"Model '{name}' comes with mlxq and is not deleted.", param="model")
    roots = (*context.settings.model_roots, cache)
    # A root may lie in another one.
    kept = (*roots, context.settings.data_dir)
    if not any(place.resolve().is_relative_to(path.resolve()) for place in kept):
        for root in roots:
            if path != root and path.is_relative_to(root) and _is_in(path, root):
                return path
    raise Forbidden(f"Model '{name}' lies outside the model roots and is not deleted.", param="model")


def _is_in(path: Path, root: Path) -> bool:
    """Whether the folder lies in this root, or a link that does, which goes alone."""
    return (path.parent if path.is_symlink() else path).resolve().is_relative_to(root.resolve())


async def _unload(
    context: Context, jobs: JobClient, category: Category, model: str, receive: Receive
) -> None:
    request = JobRequest(
        id=new_job_id(Kind.UNLOAD),
        queue=category,
        kind=Kind.UNLOAD,
        model=model,
        payload=NoPayload(),
        timeout=KINDS[Kind.UNLOAD].timeout(context.settings),
        dialect=NATIVE_DIALECT,
        meta=LoadMeta(
            model=model,
            model_type=category.value,
            message=f"Model '{model}' unloaded successfully",
            created=int(time.time()),
        ),
    )
    async with call(jobs, request, receive) as (_, watch):
        await outcome(watch)


def _delete(context: Context, place: _Place, files: bool) -> None:
    """The folder vanishes at once, under another name; then its content goes."""
    records, model_id = context.catalog.records, place.ref.base_id
    forget_prompts(context.settings.data_dir, model_id)
    if not files:
        records.change(lambda known: known.deleted(model_id, files_stay=True))
        return
    try:
        if place.folder.is_symlink():
            place.folder.unlink()
        else:
            trash = place.folder.with_name(TRASH + secrets.token_hex(8))
            place.folder.rename(trash)
            shutil.rmtree(trash, ignore_errors=True)
    except FileNotFoundError:
        raise ModelNotFound(f"Model '{model_id}' not found", param="model") from None
    except OSError as error:
        log.error("%s could not be deleted: %s", model_id, error)
        raise MlxqError(f"Model '{model_id}' could not be deleted ({type(error).__name__}).") from error
    records.change(lambda known: known.deleted(model_id, files_stay=False))
