"""Where the prompt caches of models lie on the disk. It knows folders. It does not know what is in them."""

import hashlib
import re
import shutil
from contextlib import suppress
from pathlib import Path

#: Folder below the data folder.
_NAME = "prompt_cache"


def folder_of_prompts(data_dir: Path) -> Path:
    """The folder of all models."""
    return data_dir / _NAME


def folder_of_model(data_dir: Path, base_id: str) -> Path:
    """The folder of a model and of all its adapters."""
    shown = re.sub(r"[^A-Za-z0-9._-]+", "-", base_id)[-60:].lstrip(".-")
    return folder_of_prompts(data_dir) / f"{shown}-{hashlib.sha256(base_id.encode()).hexdigest()[:16]}"


def forget_prompts(data_dir: Path, base_id: str) -> None:
    """Delete the stored prompts of a model. A worker that still writes some makes the folder again."""
    shutil.rmtree(folder_of_model(data_dir, base_id), ignore_errors=True)


def forget_all_prompts(data_dir: Path) -> int:
    """Delete the stored prompts of all models. Returns their bytes."""
    folder = folder_of_prompts(data_dir)
    size = 0
    for path in folder.rglob("*") if folder.is_dir() else ():
        with suppress(FileNotFoundError):
            size += path.stat().st_size if path.is_file() else 0
    shutil.rmtree(folder, ignore_errors=True)
    return size
