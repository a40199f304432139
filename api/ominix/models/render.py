"""OminiX' answer about loaded models."""

from collections.abc import Sequence

from api.models.entry import ModelEntry
from api.ominix.models.schema import LoadedStatus


def model_status(entries: Sequence[ModelEntry]) -> LoadedStatus:
    loaded = sorted((entry for entry in entries if entry.loaded), key=lambda entry: -entry.wanted_at)
    found: dict[str, list[str]] = {}
    for entry in loaded:
        found.setdefault(entry.category, []).append(entry.id)

    def last(category: str) -> str | None:
        return next(iter(found.get(category, ())), None)

    answer: LoadedStatus = {
        "status": "success",
        "models": {
            "llm": last("llm"),
            "asr": last("asr"),
            "tts": last("tts"),
            "image": last("image"),
            "vlm": next((entry.id for entry in loaded if entry.sees), None),
            "embedding": last("embedding"),
        },
    }
    beside = {category: models[1:] for category, models in found.items() if len(models) > 1}
    return {**answer, "beside": beside} if beside else answer
