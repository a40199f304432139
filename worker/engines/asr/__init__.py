"""Speech-to-text models: one file per family, chosen by what lies in the model's folder."""

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from config.settings import Settings
from jobs.errors import InvalidRequest
from mlxq.catalog import ModelRef
from mlxq.catalog.asr import recogniser_family
from mlxq.catalog.foreign_json import read_object
from worker.engines.asr.pieces import Pieces
from worker.engines.asr.transcription import Reader, Recogniser, TranscriptionEngine


class Family(Protocol):
    """A module of this package: `load` is for the owner thread."""

    def load(self, path: Path) -> Recogniser | Reader:
        """The model in this folder. A Reader has its own way with long recordings."""


def family(ref: ModelRef, path: Path) -> Family:
    """The module for the model in this folder, with its library. Raises InvalidRequest when there is none."""
    name = recogniser_family(read_object(path / "config.json"), path)
    if name is None:
        raise InvalidRequest(
            f"The model '{ref.id}' does not transcribe speech, or is of a family that is not known.",
            param="model",
            code="unsupported_model",
        )
    module: Any = import_module(f"worker.engines.asr.{name}")
    return module  # type: ignore[no-any-return]


def engine(model: Recogniser | Reader, settings: Settings) -> TranscriptionEngine:
    return TranscriptionEngine(model if isinstance(model, Reader) else Pieces(model), settings)
