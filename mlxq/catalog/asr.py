"""Which family of speech-to-text models a folder holds, by its config.json and what lies beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

WHISPER, PARAKEET, QWEN3_ASR = "whisper", "parakeet", "qwen3_asr"
SENSEVOICE, PARAFORMER = "sensevoice", "paraformer"

#: What a Paraformer is made of: its folder has no config.json.
PARAFORMER_FILES = ("paraformer.safetensors", "am.mvn", "tokens.txt")

#: What each family listens to beside the recording.
OPTIONS = {
    WHISPER: frozenset({"language", "prompt", "temperature"}),
    PARAKEET: frozenset(),
    QWEN3_ASR: frozenset({"language", "prompt", "temperature"}),
    SENSEVOICE: frozenset({"language"}),
    PARAFORMER: frozenset(),
}

_TYPES = {
    "parakeet": PARAKEET,
    "parakeet_tdt": PARAKEET,
    "paraformer": PARAFORMER,
    "qwen3_asr": QWEN3_ASR,
    "sensevoice": SENSEVOICE,
    "sensevoicesmall": SENSEVOICE,
    "whisper": WHISPER,
}


def recogniser_family(config: Mapping[str, Any], path: Path) -> str | None:
    """None: it is no speech-to-text model that is known here."""
    family = _TYPES.get(str(config.get("model_type", "")).lower().replace("-", "_"))
    if family is not None:
        return family
    if "n_audio_ctx" in config and "n_mels" in config:
        return WHISPER
    if str(config.get("target", "")).startswith("nemo.collections.asr.models."):
        return PARAKEET
    return PARAFORMER if not config and is_paraformer(path) else None


def is_paraformer(path: Path) -> bool:
    return all((path / name).is_file() for name in PARAFORMER_FILES)
