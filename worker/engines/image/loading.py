"""Loads a diffusion model from its folder, with the library of its family. Call it on the thread that will own it."""

from importlib import import_module
from pathlib import Path
from typing import Any

from config.settings import Settings
from jobs.blobs import BlobStore
from jobs.errors import InvalidRequest
from mlxq.catalog import ModelRef
from mlxq.catalog.image import FLUX1, FLUX2, Z_IMAGE, image_family, limits, missing_files
from worker.engines.image.engine import ImageEngine

_MODELS = {Z_IMAGE: ("z_image", "ZImage"), FLUX2: ("flux2", "Flux2"), FLUX1: ("flux1", "Flux1")}


def kind_of(ref: ModelRef, path: Path) -> tuple[str, Any]:
    """The family of the model in this folder and its DiffusionModel class; imports the library.

    Raises InvalidRequest for an unknown family and for missing files.
    """
    family = image_family(path)
    if family is None:
        raise InvalidRequest(
            f"The model '{ref.id}' makes no pictures, or is of a family that is not known.",
            param="model",
            code="unsupported_model",
        )
    missing = missing_files(path, family)
    if missing:
        raise InvalidRequest(
            f"The model '{ref.id}' is not complete. It lacks: {', '.join(missing)}.",
            param="model",
            code="model_incomplete",
        )
    module, name = _MODELS[family]
    return family, getattr(import_module(f"worker.engines.image.{module}"), name)


def load(ref: ModelRef, path: Path, family: str, model: Any, settings: Settings) -> ImageEngine:
    """Load the model of this folder. For the owner thread."""
    return ImageEngine(
        model(path, settings.image_quantize),
        ref.id,
        limits(family),
        BlobStore(settings.blob_folder, settings.disk_limit_bytes),
    )
