"""Loads a speech model from its folder, with its library. Call it on the thread that will own it."""

from pathlib import Path

from config.settings import Settings
from jobs.blobs import job_blobs
from jobs.errors import InvalidRequest
from mlxq.catalog import ModelRef
from mlxq.catalog.families.speech import SpeechFamily
from mlxq.catalog.families.table import family_in
from worker.engines.family_module import check_files, family_module
from worker.engines.loading import folder as installed_folder
from worker.engines.tts.mlx_audio import SpeechModel
from worker.engines.tts.speech import SpeechEngine
from worker.engines.weights import weight_bytes


def folder(ref: ModelRef) -> Path:
    """The model's folder. Raises ModelNotFound."""
    return installed_folder(ref)


def kind_of(ref: ModelRef, path: Path) -> SpeechFamily:
    """The family of the model in this folder; imports its library.

    Raises InvalidRequest for an unknown family and for missing files, and NotSupported for missing libraries.
    """
    family = family_in(path, ref.id, SpeechFamily)
    if family is None:
        raise InvalidRequest(
            f"The model '{ref.id}' does not speak, or is of a family that is not known.",
            param="model",
            code="unsupported_model",
        )
    check_files(ref, path, family)
    model_class(family).import_library(family.type)
    return family


def load(ref: ModelRef, path: Path, family: SpeechFamily, settings: Settings) -> SpeechEngine:
    """Load the model of this folder. Call it on the thread that will own it."""
    cls = model_class(family)
    model = cls.load(path, family.type, settings)
    speaker = cls(model, family.voices(path), own_speed=family.own_speed)
    try:
        speaker.check()
    except ValueError as error:
        raise InvalidRequest(
            f"The model '{ref.id}' can't be used: {error}.", param="model", code="unsupported_model"
        ) from error
    return SpeechEngine(
        speaker,
        job_blobs(settings),
        weight_bytes(model),
        settings.max_reference_seconds,
    )


def model_class(family: SpeechFamily) -> type[SpeechModel]:
    cls: type[SpeechModel] = family_module(family).MODEL
    return cls
