"""Which model a name means: alias, installed name, hub id, path under the model roots, unique basename.

The catalog reads folders and small JSON files; it never loads weights and sends no request to a hub. The API resolves
names to refuse unknown ones before they are queued; the worker resolves the same name to find the folder.
"""

from mlxq.catalog.installed import Installed, installed_models
from mlxq.catalog.ref import ModelRef, UnknownAdapter, UnknownModel, is_hub_id, plain_name
from mlxq.catalog.resolve import Catalog

__all__ = [
    "Catalog",
    "Installed",
    "ModelRef",
    "UnknownAdapter",
    "UnknownModel",
    "installed_models",
    "is_hub_id",
    "plain_name",
]
