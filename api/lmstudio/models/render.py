"""What is told of models, from the inventory's entries, and what loads and unloads are answered with."""

from typing import Literal

from api.dispatch.renderers import Answered
from api.lmstudio.models.schema import (
    LmStudioCapabilities,
    LmStudioLoaded,
    LmStudioModel,
    LmStudioModelV1,
    LmStudioUnloaded,
)
from api.models.entry import ModelEntry
from api.models.weights import bits, parameters, quantization, short
from jobs.kinds import Category
from jobs.meta import LoadMeta
from jobs.results import LoadResult

_STATES: dict[str, Literal["loaded", "loading"]] = {"loaded": "loaded", "loading": "loading"}
_PLAIN_BITS = {"F32": 32, "F16": 16, "BF16": 16}


class LmStudioLoadMeta(LoadMeta, frozen=True, kw_only=True):
    """`context_length`: of the answer that shows how the model was loaded."""

    type: Literal["llm", "embedding"] = "llm"
    context_length: int | None = None


def model(entry: ModelEntry) -> LmStudioModel:
    """A row of `/api/v0/models`. A length that nobody knows is left out: clients take 0 for one."""
    row: LmStudioModel = {
        "id": entry.id,
        "object": "model",
        "type": _type(entry),
        "publisher": _publisher(entry),
        "arch": _arch(entry),
        "compatibility_type": "mlx",
        "quantization": quantization(entry.card),
        "state": _STATES.get(entry.state, "not-loaded"),
    }
    if entry.context_length:
        row["max_context_length"] = entry.context_length
        if entry.loaded:
            row["loaded_context_length"] = entry.context_length
    if entry.category == Category.LLM:
        # A model whose template has no place for tools gets them described in its system prompt.
        row["capabilities"] = ["tool_use", "vision"] if entry.sees else ["tool_use"]
    return row


def model_v1(entry: ModelEntry) -> LmStudioModelV1:
    """A row of `/api/v1/models`."""
    context, number, weights = entry.context_length or 0, parameters(entry.card), quantization(entry.card)
    row: LmStudioModelV1 = {
        "type": kind(entry),
        "publisher": _publisher(entry),
        "key": entry.id,
        "display_name": entry.given_name or entry.id.rpartition("/")[2],
        "quantization": {
            "name": None if weights == "unknown" else weights,
            "bits_per_weight": bits(entry.card) or _PLAIN_BITS.get(weights),
        },
        "size_bytes": entry.card.disk_bytes if entry.card else 0,
        "params_string": None if number is None else short(number),
        "loaded_instances": [{"id": entry.id, "config": {"context_length": context}}] if entry.loaded else [],
        "max_context_length": context,
        "format": "mlx",
    }
    if entry.category == Category.LLM:
        row["architecture"] = _arch(entry)
        row["capabilities"] = _capabilities(entry)
        row["description"] = None
    return row


def kind(entry: ModelEntry) -> Literal["llm", "embedding"]:
    return "embedding" if entry.category == Category.EMBEDDING else "llm"


def is_served(entry: ModelEntry) -> bool:
    """Whether this API has something to do with it."""
    return entry.category in (Category.LLM, Category.EMBEDDING) and not entry.ranks


def loaded(job: Answered[LmStudioLoadMeta, LoadResult]) -> LmStudioLoaded:
    meta = job.meta
    answer: LmStudioLoaded = {
        "type": meta.type,
        "instance_id": meta.model or "",
        "load_time_seconds": round(job.result.load_seconds, 3),
        "status": "loaded",
    }
    if meta.context_length is not None:
        answer["load_config"] = {"context_length": meta.context_length}
    return answer


def unloaded(job: Answered[LmStudioLoadMeta, LoadResult]) -> LmStudioUnloaded:
    return {"instance_id": job.meta.model or ""}


def _type(entry: ModelEntry) -> Literal["llm", "vlm", "embeddings"]:
    if entry.category == Category.EMBEDDING:
        return "embeddings"
    return "vlm" if entry.sees else "llm"


def _publisher(entry: ModelEntry) -> str:
    organization, slash, _ = entry.id.partition("/")
    return organization if slash else "mlxq"


def _arch(entry: ModelEntry) -> str:
    return (entry.card.model_type if entry.card else "") or entry.category


def _capabilities(entry: ModelEntry) -> LmStudioCapabilities:
    found: LmStudioCapabilities = {
        "vision": entry.sees,
        "trained_for_tool_use": entry.card is not None and not entry.card.toolless,
    }
    if entry.card is not None and entry.card.thinks:
        found["reasoning"] = {"allowed_options": ["off", "on"], "default": "on"}
    return found
