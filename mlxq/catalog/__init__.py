"""Which model a name means: alias, installed name, hub id, path under the model roots, unique basename.

It reads folders and their `config.json`; it never loads weights and never asks a hub. The API resolves a name
to refuse unknown ones before they are queued, the worker resolves the same name to know where to load from.
"""

from mlxq.catalog.installed import Installed, installed_models
from mlxq.catalog.ref import ModelRef, UnknownAdapter, UnknownModel, is_hub_id
from mlxq.catalog.resolve import Catalog

__all__ = [
    "Catalog",
    "Installed",
    "ModelRef",
    "UnknownAdapter",
    "UnknownModel",
    "installed_models",
    "is_hub_id",
]
