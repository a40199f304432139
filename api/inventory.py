"""Which models there are: what lies under the model roots, joined with what the workers say they hold."""

import asyncio
from typing import Any

from api.context import Context
from api.schemas.models import ModelEntry
from config.catalog import Installed, UnknownModel
from config.catalog.installed import read_model
from jobs.client import JobClient
from jobs.errors import ModelNotFound
from jobs.request import Category

#: Where the configurations of models say how much text they can take.
_CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "seq_length")


async def slots(jobs: JobClient) -> dict[str, dict[str, Any]]:
    """Each category's slot as a worker told it; a loaded one wins when there are several workers."""
    found: dict[str, dict[str, Any]] = {}
    for worker in await jobs.workers():
        for category, slot in worker.get("slots", {}).items():
            if category not in found or slot.get("state") == "loaded":
                found[category] = slot
    return found


async def engines(jobs: JobClient) -> list[str]:
    """Categories that a worker can serve."""
    return sorted({engine for worker in await jobs.workers() for engine in worker.get("engines", [])})


async def inventory(context: Context, jobs: JobClient) -> list[ModelEntry]:
    """Every model under the roots, the defaults and all loaded ones; of the hub's cache only those two."""
    held = {
        slot["model"]: (category, slot) for category, slot in (await slots(jobs)).items() if slot["model"]
    }
    installed, defaults = await asyncio.to_thread(_on_disk, context)
    entries = {
        model.id: _entry(model, held.get(model.id))
        for model in installed
        if not model.cached or model.id in defaults or model.id in held
    }
    for model_id, place in held.items():
        if model_id not in entries:
            entries[model_id] = _entry(None, place, model_id)
    return sorted(entries.values(), key=lambda entry: (not entry.loaded, entry.id))


async def find(context: Context, jobs: JobClient, name: str) -> ModelEntry:
    """The model of that name, if it is here. Raises ModelNotFound."""
    ref = await context.look_up(name)
    held = {
        slot["model"]: (category, slot) for category, slot in (await slots(jobs)).items() if slot["model"]
    }
    if ref.path is None and ref.id not in held:
        raise ModelNotFound(f"The model '{name}' is not installed.", param="model")
    model = await asyncio.to_thread(read_model, ref.path, ref.id) if ref.path else None
    return _entry(model, held.get(ref.id), ref.id)


def _on_disk(context: Context) -> tuple[list[Installed], set[str]]:
    """What is installed, with the defaults that lie outside the roots; and the ids of the defaults."""
    catalog = context.catalog
    installed, defaults = catalog.installed(), set()
    for category in Category:
        try:
            default = catalog.default(category)
        except UnknownModel:
            continue
        defaults.add(default.id)
        if default.path and all(model.id != default.id for model in installed):
            outside = read_model(default.path, default.id)
            installed += [outside] if outside else []
    return installed, defaults


def _entry(
    model: Installed | None, place: tuple[str, dict[str, Any]] | None, model_id: str | None = None
) -> ModelEntry:
    category, slot = place or (model.category if model else Category.LLM.value, {})
    state = slot.get("state", "available")
    return ModelEntry(
        id=model.id if model else str(model_id),
        category=category,
        state="available" if state == "empty" else state,
        installed=model,
        context_length=slot.get("context_length") or _context_length(model),
        memory_bytes=slot.get("memory_bytes"),
        loaded_at=slot.get("loaded_at"),
        error=slot.get("error"),
    )


def _context_length(model: Installed | None) -> int | None:
    config = model.config if model else {}
    # Models that also see or hear keep the text model's numbers one level deeper.
    inner = config.get("text_config")
    text = inner if isinstance(inner, dict) else {}
    numbers = (part.get(key) for part in (config, text) for key in _CONTEXT_KEYS)
    return next((number for number in numbers if isinstance(number, int)), None)
