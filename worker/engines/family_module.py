"""The module that loads a family of models. This module knows where modules lie; it does not know families.

A module of a speech or an image family says in `MODEL` which class loads it, one of a transcription family has a
function `load`.
"""

from importlib import import_module
from typing import Any

from mlxq.catalog.families.family import Family


def family_module(family: Family) -> Any:
    """Import and return the family's module, and with it its library."""
    name = family.engine or family.name
    return import_module(name if "." in name else f"worker.engines.{family.category}.{name}")
