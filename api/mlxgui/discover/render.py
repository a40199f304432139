"""The answers of `/v1/discover`, from the hub's lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from api.mlxgui.discover.schema import (
    FittingModel,
    FittingModels,
    HubCategories,
    HubDetails,
    HubList,
    HubModel,
)
from api.models.hub_size import BITS, is_mlx, memory_bytes, weight_bytes
from mlxq.catalog.vision import sees

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

_GIGA = 1024**3
#: MLX-GUI's words for what the hub's pipelines do.
_TYPES = {
    "image-text-to-text": "vision",
    "visual-question-answering": "vision",
    "any-to-any": "multimodal",
    "audio-text-to-text": "multimodal",
    "automatic-speech-recognition": "audio",
    "text-to-speech": "audio",
    "text-to-audio": "audio",
    "text-to-image": "image",
    "image-to-image": "image",
    "feature-extraction": "feature-extraction",
    "sentence-similarity": "feature-extraction",
}
#: What names tell of a model whose pipeline is not known.
_NAMES = (("whisper", "audio"), ("parakeet", "audio"), ("embed", "feature-extraction"))


_SMALL, _LARGE = 10.0, 50.0
#: Models of one category that are named.
_MOST = 10


def hub_list(found: Sequence[ModelInfo]) -> HubList:
    return {"models": [hub_row(model) for model in found], "total": len(found)}


def hub_row(model: ModelInfo) -> HubModel:
    organization, slash, name = model.id.partition("/")
    mlx = is_mlx(model)
    return {
        "id": model.id,
        "name": name if slash else model.id,
        "author": model.author or (organization if slash else None),
        "downloads": model.downloads or 0,
        "likes": model.likes or 0,
        "model_type": model_type(model),
        "size_gb": _round(weight_bytes(model)),
        "estimated_memory_gb": memory_gb(model),
        "mlx_compatible": mlx,
        "has_mlx_version": mlx,
        "mlx_repo_id": None,
        "tags": model.tags or [],
        "description": _description(model),
        "updated_at": _moment(model.last_modified),
    }


def hub_details(model: ModelInfo, mlx_version: ModelInfo | None, available_gb: float) -> HubDetails:
    """`mlx_version`: a model for MLX that was made of this one, if it is none itself."""
    needed = memory_gb(mlx_version or model)
    fits = needed is None or needed <= available_gb
    compatible = fits and (is_mlx(model) or mlx_version is not None)
    return {
        **hub_row(model),
        "has_mlx_version": is_mlx(model) or mlx_version is not None,
        "mlx_repo_id": mlx_version.id if mlx_version else None,
        "created_at": _moment(model.created_at),
        "library_name": model.library_name,
        "pipeline_tag": model.pipeline_tag,
        "system_compatible": compatible,
        "compatibility_message": _compatibility(compatible, fits, needed, available_gb),
    }


def hub_compatible(found: Sequence[ModelInfo], max_memory_gb: float) -> FittingModels:
    """Those that fit; of whose size nothing is known are left out."""
    rows: list[FittingModel] = []
    for model in found:
        needed = memory_gb(model)
        if needed is not None and needed <= max_memory_gb:
            fit = f"{needed:.1f}GB required, {max_memory_gb:.1f}GB available"
            rows.append({**hub_row(model), "memory_fit": fit})
    return {"models": rows, "max_memory_gb": round(max_memory_gb, 2), "total": len(rows)}


def hub_categories(
    popular: Sequence[ModelInfo],
    seeing: Sequence[ModelInfo],
    multimodal: Sequence[ModelInfo],
    code: Sequence[ModelInfo],
) -> HubCategories:
    texts = [model for model in popular if model_type(model) == "text"]
    sized = [(model, size) for model in popular if (size := memory_gb(model)) is not None]
    chat = ("instruct", "chat", "-it")
    return {
        "categories": {
            "Popular Text Models": _ids(texts),
            "Vision Models": _ids(seeing),
            "Multimodal Models": _ids(multimodal),
            "Code Models": _ids(code),
            "Chat Models": _ids(m for m in texts if any(word in m.id.lower() for word in chat)),
            "Small Models (< 10GB)": _ids(model for model, size in sized if size < _SMALL),
            "Large Models (> 50GB)": _ids(model for model, size in sized if size > _LARGE),
        }
    }


def model_type(model: ModelInfo) -> str:
    known = _TYPES.get(model.pipeline_tag or "")
    if known is not None:
        return known
    name = model.id.lower()
    for word, kind in _NAMES:
        if word in name:
            return kind
    return "vision" if model.pipeline_tag is None and sees(model.id, None) else "text"


def memory_gb(model: ModelInfo) -> float | None:
    """What it takes to run, None when nothing tells."""
    return _round(memory_bytes(model))


def _description(model: ModelInfo) -> str:
    """In words what name and tags say: the hub has no descriptions in its lists."""
    bits = BITS.search(model.id.lower())
    name = re.sub(r"[-_]?[0-9]+-?bit.*", "", model.id.rpartition("/")[2], flags=re.IGNORECASE)
    quantised = f" quantized to {bits[1]}-bit" if bits else ""
    return f"{re.sub('[-_]+', ' ', name).strip()}{quantised}{' for MLX' if is_mlx(model) else ''}"


def _compatibility(compatible: bool, fits: bool, needed: float | None, available: float) -> str:
    if compatible:
        wanted = (
            f"{needed:.1f}GB required" if needed is not None else "the hub does not tell what it requires"
        )
        return f"✅ Compatible - {available:.1f}GB available, {wanted}"
    if not fits:
        return (
            f"❌ Insufficient memory - This model requires {needed:.1f}GB but you have "
            f"{available:.1f}GB available"
        )
    return "❌ Not compatible - This model has no weights for MLX"


def _ids(models: Iterable[ModelInfo]) -> list[str]:
    return [model.id for model, _ in zip(models, range(_MOST), strict=False)]


def _round(size: float | None) -> float | None:
    """Bytes in GB."""
    return None if size is None else round(size / _GIGA, 2)


def _moment(when: datetime | None) -> str | None:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S") if when else None
