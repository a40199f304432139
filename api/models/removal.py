"""Deletes a model, unless it is in use. What is deleted of its files is decided where they lie."""

import asyncio
import contextlib
import time

from starlette.types import Receive

from api.dispatch.call import call, outcome
from api.dispatch.slots import held
from api.http.context import Context
from api.models.inventory import not_found
from api.models.workers import obeyed
from jobs.client import JobClient
from jobs.errors import Conflict, Forbidden, InvalidRequest
from jobs.kinds import KINDS, Category, Kind
from jobs.meta import LoadMeta
from jobs.models.needed_by import jobs_for
from jobs.payloads import NoPayload
from jobs.request import NATIVE_DIALECT, JobRequest, new_job_id
from mlxq.catalog import Catalog, UnknownModel


async def remove(context: Context, jobs: JobClient, name: str, receive: Receive, *, files: bool) -> None:
    """Forget the model, with its files or without. A loaded one that nobody uses is unloaded first.

    Of an alias, only the name is forgotten. Raises ModelNotFound, Conflict, Forbidden and InvalidRequest.
    """
    catalog = await context.models.look(jobs)
    alias = catalog.given_aliases.get(name)
    if alias is not None and alias.model != name:
        await context.names.take_alias(jobs, name)
        context.models.forget()
        return
    model_id = await asyncio.to_thread(_deletable, catalog, name)
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
    found = await context.machines.delete(jobs, model_id, files=files)
    if found:
        await context.names.take(jobs, model_id)
    context.models.forget()
    if not found:
        raise not_found(name)


def _deletable(catalog: Catalog, name: str) -> str:
    """The id of the model of that name. Raises ModelNotFound, InvalidRequest, Conflict and Forbidden."""
    try:
        ref = catalog.resolve(name) if name else None
    except UnknownModel:
        ref = None
    if ref is None or ref.note:
        # Who deletes a name of another service does not mean the model that answers to it.
        raise not_found(name)
    if ref.adapter is not None:
        raise InvalidRequest(f"'{name[:200]}' is a model with an adapter; delete the model.", param="model")
    for category in Category:
        with contextlib.suppress(UnknownModel):
            if catalog.default(category).base_id == ref.id:
                raise Conflict(
                    f"Model '{name}' is the server's own: {category.upper()}_MODEL names it.", param="model"
                )
    if ref.card is not None and ref.card.kept:
        why = "comes with mlxq" if ref.card.kept == "shipped" else "lies outside the model roots"
        raise Forbidden(f"Model '{name}' {why} and is not deleted.", param="model")
    return ref.id


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
