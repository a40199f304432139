"""LoRA adapters: folders under the model roots with `adapter_config.json` and `adapters.safetensors`, as mlx-lm
writes them. This module does not know what the files contain, nor whether an adapter fits a model.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_FILES = ("adapter_config.json", "adapters.safetensors")


@dataclass(frozen=True, slots=True)
class Adapter:
    """`id` is the folder's name below its root. `path` is that name too where the folder lies on another machine."""

    id: str
    path: Path


def is_adapter(folder: Path) -> bool:
    return all((folder / file).is_file() for file in _FILES)


def find_adapter(name: str, roots: Iterable[Path]) -> Adapter | None:
    """The adapter of that name, or in that folder. `roots` are resolved; no link leads out of them."""
    for root in roots:
        try:
            path = (root / Path(name).expanduser()).resolve(strict=True)
            if path.is_relative_to(root) and is_adapter(path):
                return Adapter(path.relative_to(root).as_posix(), path)
        except (OSError, RuntimeError, ValueError):
            continue
    return None
