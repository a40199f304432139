"""OminiX' answer about loaded models."""

from collections.abc import Sequence

from api.models.entry import ModelEntry
from api.ominix.models.schema import LoadedStatus


def model_status(entries: Sequence[ModelEntry]) -> LoadedStatus:
    found = {entry.category: entry.id for entry in entries if entry.loaded}
    seeing = next((entry.id for entry in reversed(entries) if entry.loaded and entry.sees), None)
    return {
        "status": "success",
        "models": {
            "llm": found.get("llm"),
            "asr": found.get("asr"),
            "tts": found.get("tts"),
            "image": found.get("image"),
            "vlm": seeing,
            "embedding": found.get("embedding"),
        },
    }
