"""Folders that the environment names: this checkout and the hub's cache. It knows no setting."""

import os
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent


def hub_home() -> Path:
    """Where huggingface_hub keeps all that it keeps, by its own rules."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("HF_HOME") or f"{cache}/huggingface").expanduser().absolute()


def hub_cache() -> Path:
    """Where it keeps its downloads."""
    return Path(os.environ.get("HF_HUB_CACHE") or hub_home() / "hub").expanduser().absolute()
