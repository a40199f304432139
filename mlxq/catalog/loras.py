"""LoRA files for models that make images: single `.safetensors` files under the model roots.

This module does not know whether one fits a model.
"""

from collections.abc import Iterable
from pathlib import Path

_SUFFIX = ".safetensors"


def find_lora(name: str, roots: Iterable[Path]) -> Path | None:
    """The file of that name, or the only one in the folder of that name. Links out of `roots` do not count."""
    for root in roots:
        try:
            path = root / Path(name).expanduser()
            if path.is_dir():
                path = _only(path) or path
            inside = path.resolve(strict=True).is_relative_to(root)
        except (OSError, RuntimeError, ValueError):
            continue
        if inside and path.suffix == _SUFFIX and path.is_file():
            return path
    return None


def lora_name(path: Path, roots: Iterable[Path]) -> str:
    """The name by which `find_lora` finds this file below the roots of another machine, too; else its path."""
    roots = tuple(roots)
    for root in roots:
        for each in (path, path.resolve()):
            if each.is_relative_to(root):
                name = each.relative_to(root).as_posix()
                found = find_lora(name, roots)
                if found is not None and found.samefile(path):
                    return name
    return str(path)


def loras_in(folder: Path) -> list[Path]:
    """The LoRA files in this folder itself."""
    return list(folder.glob(f"*{_SUFFIX}"))


def _only(folder: Path) -> Path | None:
    files = loras_in(folder)
    return files[0] if len(files) == 1 else None
