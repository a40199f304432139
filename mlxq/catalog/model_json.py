"""The JSON files of a model: which of them libraries read, and what in them names code.

This module knows files; it does not know families of models. It runs no code and imports none.
"""

import re
from pathlib import Path, PurePath

from mlxq.catalog import foreign_json
from mlxq.catalog.foreign_json import Parsed, UnsoundJson
from mlxq.catalog.model_config import read_config

#: Words in the names of the JSON files that libraries read. Others, such as a training's log, may hold anything.
_READ = re.compile(
    r"config|index|merges|modules|params|processor|quant|scheduler|special|stats|tekken|templat|token|vocab"
)
#: Keys that name code: which class of the repository, or of another one, is to be imported.
_CODE = frozenset({"auto_map", "code_revision", "custom_generate", "custom_pipelines", "trust_remote_code"})
#: The key by which mlx-lm and mlx-vlm find a model's own network.
_MODEL_FILE = "model_file"


class UnfitFolder(ValueError):
    """The model in the folder cannot be used. The message is for the user and continues "the model …"."""


def is_read(path: PurePath) -> bool:
    """Whether this is a JSON file that libraries read."""
    return path.suffix.lower() == ".json" and _READ.search(path.name.lower()) is not None


def read_json(name: str, file: Path) -> Parsed:
    """What a JSON file of a model holds, without what names code. Its name below the model's folder is `name`.

    Raises UnfitFolder for one that readers differ about or that needs code of its own, and OSError.
    """
    try:
        parsed = foreign_json.parse_without(foreign_json.read_bytes(file), _CODE)
        if name == "config.json":
            read_config(file)
    except UnsoundJson as error:
        raise UnfitFolder(f"has a file '{shown(name)}' that can't be used: it {error}") from None
    if isinstance(parsed.value, dict) and isinstance(parsed.value.get(_MODEL_FILE), str):
        raise UnfitFolder(f"needs code of its own ('{_MODEL_FILE}' in {shown(name)}), which is not run here")
    return parsed


def shown(name: str) -> str:
    """A file's name as a message shows it."""
    return name.encode("utf-8", "replace").decode()[:120]
