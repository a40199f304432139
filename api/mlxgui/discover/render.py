"""The answers of `/v1/discover`, from the hub's lists.

The hub tells how many weights of which type a model has; what they take in memory follows from that. For a model
of which it does not tell, the name may (`…-7B-…-4bit`).
"""

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
from mlxq.catalog.vision import sees

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

#: Bytes of a weight by its type in safetensors; types with a part of a byte hold whole bytes of several weights.
_BYTES = {
    **dict.fromkeys(("F64", "I64", "U64"), 8.0),
    **dict.fromkeys(("F32", "I32", "U32"), 4.0),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2.0),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8", "BOOL"), 1.0),
    **dict.fromkeys(("F4", "FP4"), 0.5),
}
_GIGA = 1024**3
#: What a model takes beyond its weights: caches and intermediate results.
_OVERHEAD = 1.2
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

_WEIGHTS = re.compile(r"(?<![a-z0-9.])([0-9]+(?:\.[0-9]+)?)([bm])(?![a-z0-9])")
_BITS = re.compile(r"([0-9]+)-?bit")

_SMALL, _LARGE = 10.0, 50.0
#: Models of one category that are named.
_MOST = 10


def hub_list(found: Sequence[ModelInfo]) -> HubList:
    return {"models": [hub_row(model) for model in found], "total": len(found)}


def hub_row(model: ModelInfo) -> HubModel:
    organization, slash, name = model.id.partition("/")
    is_mlx = _is_mlx(model)
    return {
        "id": model.id,
        "name": name if slash else model.id,
        "author": model.author or (organization if slash else None),
        "downloads": model.downloads or 0,
        "likes": model.likes or 0,
        "model_type": model_type(model),
        "size_gb": _round(_weight_bytes(model)),
        "estimated_memory_gb": memory_gb(model),
        "mlx_compatible": is_mlx,
        "has_mlx_version": is_mlx,
        "mlx_repo_id": None,
        "tags": model.tags or [],
        "description": _description(model),
        "updated_at": _moment(model.last_modified),
    }


def hub_details(model: ModelInfo, mlx_version: ModelInfo | None, available_gb: float) -> HubDetails:
    """`mlx_version`: a model for MLX that was made of this one, if it is none itself."""
    needed = memory_gb(mlx_version or model)
    fits = needed is None or needed <= available_gb
    compatible = fits and (_is_mlx(model) or mlx_version is not None)
    return {
        **hub_row(model),
        "has_mlx_version": _is_mlx(model) or mlx_version is not None,
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
    weights = _weight_bytes(model)
    return None if weights is None else _round(weights * _OVERHEAD)


def _weight_bytes(model: ModelInfo) -> float | None:
    if model.safetensors is not None and model.safetensors.parameters:
        return sum(count * _BYTES.get(kind, 2.0) for kind, count in model.safetensors.parameters.items())
    name = model.id.lower()
    found = _WEIGHTS.search(name)
    if found is None:
        return None
    weights = float(found[1]) * (1e9 if found[2] == "b" else 1e6)
    bits = _BITS.search(name)
    # A group of quantised weights shares a scale and a bias: half a bit for each weight.
    return weights * ((int(bits[1]) + 0.5) if bits else 16) / 8


def _is_mlx(model: ModelInfo) -> bool:
    return model.library_name == "mlx" or "mlx" in (model.tags or []) or model.id.startswith("mlx-community/")


def _description(model: ModelInfo) -> str:
    """In words what name and tags say: the hub has no descriptions in its lists."""
    bits = _BITS.search(model.id.lower())
    name = re.sub(r"[-_]?[0-9]+-?bit.*", "", model.id.rpartition("/")[2], flags=re.IGNORECASE)
    quantised = f" quantized to {bits[1]}-bit" if bits else ""
    return f"{re.sub('[-_]+', ' ', name).strip()}{quantised}{' for MLX' if _is_mlx(model) else ''}"


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
