"""The inventory of models: those below the model roots, those in the workers, and the records of each."""

import asyncio
from collections.abc import Mapping

from redis.exceptions import RedisError

from api.dispatch.slots import Held, held
from api.http.context import Context
from api.models.entry import ModelEntry
from jobs.client import JobClient
from jobs.errors import ModelNotFound, ServiceUnavailable
from jobs.kinds import Category
from jobs.models.alias import ModelAlias
from jobs.models.card import ModelCard
from jobs.models.records import ModelRecord, model_records
from jobs.worker_state import SlotState
from mlxq.catalog import Catalog, UnknownModel
from mlxq.catalog.vision import sees


async def engines(jobs: JobClient) -> list[str]:
    """Categories that a worker can serve."""
    return sorted({engine for worker in await jobs.workers() for engine in worker.engines})


async def inventory(context: Context, jobs: JobClient) -> list[ModelEntry]:
    """Every model under the roots, the defaults and all loaded ones; of the hub's cache only those and what was
    installed by mlxq. The loaded ones come first."""
    slots = await _held(jobs)
    catalog = await context.models.look(jobs)
    found = await asyncio.to_thread(_listed, catalog, frozenset(slots))
    ids = sorted({*found, *(each for each, place in slots.items() if place.model)})
    records = await _records(jobs, ids)
    names, aliases = _names(catalog), await asyncio.to_thread(_aliases, catalog)
    entries = [
        _entry(each, found.get(each), slots.get(each), records[each], names.get(each), aliases.get(each))
        for each in ids
    ]
    return sorted(entries, key=lambda entry: (not entry.loaded, entry.id))


async def find(context: Context, jobs: JobClient, name: str) -> ModelEntry:
    """The model of that name, if it is here; an empty one is nobody's. Of its aliases it has that of the name.

    Raises ModelNotFound.
    """
    if not name:
        raise not_found(name)
    try:
        ref = await context.look_up(jobs, name)
    except ModelNotFound:
        raise not_found(name) from None
    slots = await _held(jobs)
    if not ref.installed and (ref.id not in slots or not slots[ref.id].model):
        raise not_found(name)
    records = await _records(jobs, [ref.id])
    given = _names(await context.models.catalog(jobs)).get(ref.id)
    aliases = {name: ref.alias} if ref.alias is not None else None
    return _entry(ref.id, ref.card, slots.get(ref.id), records[ref.id], given, aliases)


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


def _names(catalog: Catalog) -> dict[str, str]:
    """The name that a user gave to a model, by its id; the first of several."""
    return {model_id: name for name, model_id in reversed(sorted(catalog.names.items()))}


def _aliases(catalog: Catalog) -> dict[str, dict[str, ModelAlias]]:
    """The aliases of each model, by its id."""
    found: dict[str, dict[str, ModelAlias]] = {}
    for name, ref in catalog.aliased():
        if ref.alias is not None:
            found.setdefault(ref.base_id, {})[name] = ref.alias
    return found


def _listed(catalog: Catalog, held: frozenset[str]) -> Mapping[str, ModelCard]:
    """By its id what is installed, with the defaults that lie outside the roots."""
    wanted = set(held)
    installed = {card.id: card for card in catalog.installed() if isinstance(card, ModelCard)}
    for category in Category:
        try:
            default = catalog.default(category)
        except UnknownModel:
            continue
        wanted.add(default.id)
        if default.card is not None:
            installed.setdefault(default.id, default.card)
    return {
        model_id: card
        for model_id, card in installed.items()
        if not card.cached or card.fetched or model_id in wanted
    }


def _entry(
    model_id: str,
    card: ModelCard | None,
    place: Held | None,
    record: ModelRecord,
    given: str | None,
    aliases: Mapping[str, ModelAlias] | None,
) -> ModelEntry:
    slot = place.slot if place else SlotState()
    category = place.category if place else card.category if card else Category.LLM.value
    return ModelEntry(
        id=model_id,
        category=category,
        record=record,
        state=_state(slot.state, card),
        card=card,
        given_name=given,
        sees=category == Category.LLM and (card.sees if card else sees(model_id, None)),
        context_length=slot.context_length or (card.context_length if card else None),
        memory_bytes=slot.memory_bytes,
        loaded_at=slot.loaded_at,
        error=slot.error or (card.fault.reason if card and card.fault else None) or record.error,
        asked_at=slot.asked_at,
        keep=slot.keep,
        aliases=aliases or {},
    )


def _state(slot: str, card: ModelCard | None) -> str:
    """The slot's; a model that can't be read is in none."""
    if slot != "empty":
        return slot
    return "error" if card is not None and card.fault else "available"
