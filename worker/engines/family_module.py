"""The module that loads a family of models. This module knows where modules lie; it does not know families.

A module of a speech or an image family says in `MODEL` which class loads it, one of a transcription family has a
function `load`.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from jobs.errors import InvalidRequest
from mlxq.catalog import ModelRef
from mlxq.catalog.families.family import Family


def family_module(family: Family) -> Any:
    """Import and return the family's module, and with it its library."""
    name = family.engine or family.name
    return import_module(name if "." in name else f"worker.engines.{family.category}.{name}")


def check_files(ref: ModelRef, path: Path, family: Family) -> None:
    """Raises InvalidRequest for a model whose folder lacks files that its family needs."""
    missing = family.missing_files(path)
    if missing:
        raise InvalidRequest(
            f"The model '{ref.id}' is not complete. It lacks: {', '.join(missing)}.",
            param="model",
            code="model_incomplete",
        )
