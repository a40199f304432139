"""The inventory of models: those below the model roots, those in the workers, and the records of each."""

import asyncio
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from api.dispatch.slots import Held, held
from api.http.context import Context
from api.models.entry import ModelEntry
from jobs.client import JobClient
from jobs.errors import ModelNotFound, ServiceUnavailable
from jobs.kinds import Category
from jobs.model_records import ModelRecord, model_records
from jobs.worker_state import SlotState
from mlxq.catalog import Installed, UnknownModel
from mlxq.catalog.context import context_length
from mlxq.catalog.installed import read_model
from mlxq.catalog.size import ModelSize, model_size
from mlxq.catalog.vision import sees


@dataclass(frozen=True, slots=True)
class _OnDisk:
    model: Installed
    size: ModelSize


async def engines(jobs: JobClient) -> list[str]:
    """Categories that a worker can serve."""
    return sorted({engine for worker in await jobs.workers() for engine in worker.engines})


async def inventory(context: Context, jobs: JobClient) -> list[ModelEntry]:
    """Every model under the roots, the defaults and all loaded ones; of the hub's cache only those and what was
    installed by mlxq. The loaded ones come first."""
    slots = await _held(jobs)
    found = await asyncio.to_thread(_on_disk, context, frozenset(slots))
    ids = sorted({*found, *(each for each, place in slots.items() if place.model)})
    records = await _records(jobs, ids)
    names = _names(context)
    entries = [_entry(each, found.get(each), slots.get(each), records[each], names.get(each)) for each in ids]
    return sorted(entries, key=lambda entry: (not entry.loaded, entry.id))


async def find(context: Context, jobs: JobClient, name: str) -> ModelEntry:
    """The model of that name, if it is here; an empty one is nobody's. Raises ModelNotFound."""
    if not name:
        raise not_found(name)
    try:
        ref = await context.look_up(name)
    except ModelNotFound:
        raise not_found(name) from None
    slots = await _held(jobs)
    if ref.path is None and (ref.id not in slots or not slots[ref.id].model):
        raise not_found(name)
    model = await asyncio.to_thread(_read, ref.path, ref.id) if ref.path else None
    records = await _records(jobs, [ref.id])
    return _entry(ref.id, model, slots.get(ref.id), records[ref.id], _names(context).get(ref.id))


def not_found(name: str) -> ModelNotFound:
    """In MLX-GUI's words."""
    return ModelNotFound(f"Model '{name[:200]}' not found", param="model")


async def _held(jobs: JobClient) -> dict[str, Held]:
    """What is in the slots, or was to be, by the model's id."""
    found: dict[str, Held] = {}
    for each in await held(jobs):
        model = each.slot.model
        # Of several workers one that has it loaded tells most of it.
        if model and (model not in found or each.slot.state == "loaded"):
            found[model] = each
    return found


async def _records(jobs: JobClient, ids: list[str]) -> dict[str, ModelRecord]:
    try:
        return await model_records(jobs.redis, ids)
    except (RedisError, OSError):
        raise ServiceUnavailable("The job queue is out of reach.", retry_after=2) from None


def _names(context: Context) -> dict[str, str]:
    """The name that a user gave to a model, by its id; the first of several."""
    given = context.catalog.records.read().names
    return {model_id: name for name, model_id in reversed(sorted(given.items()))}


def _on_disk(context: Context, held: frozenset[str]) -> dict[str, _OnDisk]:
    """By its id what is installed, with the defaults that lie outside the roots."""
    catalog = context.catalog
    wanted = held | catalog.records.read().models.keys()
    installed = {model.id: model for model in reversed(catalog.installed())}
    for category in Category:
        try:
            default = catalog.default(category)
        except UnknownModel:
            continue
        wanted |= {default.id}
        if default.path and default.id not in installed:
            outside = read_model(default.path, default.id)
            installed |= {outside.id: outside} if outside else {}
    return {
        model.id: _OnDisk(model, model_size(model.path))
        for model in installed.values()
        if not model.cached or model.id in wanted
    }


def _read(path: Any, model_id: str) -> _OnDisk | None:
    model = read_model(path, model_id)
    return _OnDisk(model, model_size(path)) if model else None


def _entry(
    model_id: str,
    found: _OnDisk | None,
    place: Held | None,
    record: ModelRecord,
    given: str | None,
) -> ModelEntry:
    slot = place.slot if place else SlotState()
    category = place.category if place else found.model.category if found else Category.LLM.value
    return ModelEntry(
        id=model_id,
        category=category,
        record=record,
        state=_state(slot.state, found),
        installed=found.model if found else None,
        size=found.size if found else None,
        given_name=given,
        sees=category == Category.LLM and sees(model_id, found.model.config if found else None),
        context_length=slot.context_length or (context_length(found.model.config) if found else None),
        memory_bytes=slot.memory_bytes,
        loaded_at=slot.loaded_at,
        error=slot.error or _reason(found) or record.error,
        asked_at=slot.asked_at,
    )


def _state(slot: str, found: _OnDisk | None) -> str:
    """The slot's; a model that can't be read is in none."""
    if slot != "empty":
        return slot
    return "error" if found is not None and found.model.fault else "available"


def _reason(found: _OnDisk | None) -> str | None:
    return found.model.fault.reason if found is not None and found.model.fault else None
