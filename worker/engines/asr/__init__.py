"""Transcription models: one module per family, chosen by the files in the model's folder."""

from pathlib import Path
from typing import Protocol

from config.settings import Settings
from jobs.errors import InvalidRequest
from mlxq.catalog import ModelRef
from mlxq.catalog.families.table import family_in
from mlxq.catalog.families.transcription import TranscriptionFamily
from worker.engines.asr.pieces import Pieces
from worker.engines.asr.transcription import Reader, Recogniser, TranscriptionEngine
from worker.engines.family_module import family_module


class FamilyModule(Protocol):
    """A module of this package. Call `load` on the thread that will own the model."""

    def load(self, path: Path) -> Recogniser | Reader:
        """The model in this folder. A Reader handles recordings of any length itself."""


def family(ref: ModelRef, path: Path) -> FamilyModule:
    """The module for the model in this folder, with its library. Raises InvalidRequest for an unknown family."""
    known = family_in(path, ref.id, TranscriptionFamily)
    if known is None:
        raise InvalidRequest(
            f"The model '{ref.id}' does not transcribe speech, or is of a family that is not known.",
            param="model",
            code="unsupported_model",
        )
    module: FamilyModule = family_module(known)
    return module


def engine(model: Recogniser | Reader, settings: Settings) -> TranscriptionEngine:
    return TranscriptionEngine(model if isinstance(model, Reader) else Pieces(model), settings)
