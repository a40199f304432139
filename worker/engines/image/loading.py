"""Loads a diffusion model from its folder, with the library of its family. Call it on the thread that will own it."""

from pathlib import Path

from config.settings import Settings
from jobs.blobs import job_blobs
from jobs.errors import InvalidRequest
from mlxq.catalog import Catalog, ModelRef
from mlxq.catalog.families.image import ImageFamily
from mlxq.catalog.families.table import family_in
from worker.engines.family_module import check_files, family_module
from worker.engines.image.engine import ImageEngine


def kind_of(ref: ModelRef, path: Path) -> ImageFamily:
    """The family of the model in this folder; imports its library.

    Raises InvalidRequest for an unknown family and for missing files.
    """
    family = family_in(path, ref.id, ImageFamily)
    if family is None:
        raise InvalidRequest(
            f"The model '{ref.id}' makes no pictures, or is of a family that is not known.",
            param="model",
            code="unsupported_model",
        )
    check_files(ref, path, family)
    family_module(family)
    return family


def load(ref: ModelRef, path: Path, family: ImageFamily, settings: Settings) -> ImageEngine:
    """Load the model of this folder. Call it on the thread that will own it."""
    return ImageEngine(
        family_module(family).MODEL(path, settings.image_quantize),
        ref.id,
        family.limits,
        job_blobs(settings),
        Catalog(settings).lora,
    )
