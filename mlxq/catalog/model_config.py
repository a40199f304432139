"""A model's config.json as mlxq reads it: bounded, of the right types, the same for every reader.

This module knows the file; it does not know families of models.
"""

from pathlib import Path

from mlxq.catalog import foreign_json
from mlxq.catalog.foreign_json import UnsoundJson

#: Bytes. The longest known has 600 kB: one that names a quantisation for each of its layers.
LONGEST = 4 << 20
#: Characters of a name of a type or a class.
_LONGEST_NAME = 128
_MOST_CLASSES = 64


def read_config(path: Path) -> dict[str, object]:
    """The object in the file. Raises UnsoundJson when it cannot be a model's, and OSError.

    `model_type` is a text and `architectures` a list of texts, where they are there. Whole numbers beyond 64 bits
    are floating-point numbers, as for JSON's other readers.
    """
    content = foreign_json.read(path, LONGEST)
    if not isinstance(content, dict):
        raise UnsoundJson("is no object")
    kind = content.get("model_type")
    if kind is None:
        content.pop("model_type", None)
    elif not _is_name(kind):
        raise UnsoundJson("has a 'model_type' that is no name")
    classes = content.get("architectures")
    if isinstance(classes, str):
        classes = content["architectures"] = [classes]
    if classes is None:
        content.pop("architectures", None)
    elif not isinstance(classes, list) or len(classes) > _MOST_CLASSES or not all(map(_is_name, classes)):
        raise UnsoundJson("has 'architectures' that are no names")
    _shorten(content)
    return content


def config_in(folder: Path) -> dict[str, object]:
    """The folder's config.json, unchecked; empty without one that can be read."""
    return foreign_json.read_object(folder / "config.json", LONGEST)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_NAME


def _shorten(value: dict[str, object] | list[object]) -> None:
    """Replace whole numbers that do not fit into 64 bits."""
    if isinstance(value, dict):
        for key, inner in value.items():
            value[key] = _short(inner)
    else:
        value[:] = map(_short, value)


def _short(value: object) -> object:
    if isinstance(value, dict | list):
        _shorten(value)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    return value
