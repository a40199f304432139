"""Names of adapters and LoRA files below the model roots, as far down as models lie.

Requests name more than that: what lies deeper is found by its name only on a machine that has it.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from jobs.models.card import RootContents
from mlxq.catalog.adapters import is_adapter
from mlxq.catalog.cards import text_of
from mlxq.catalog.installed import DEPTH, REPOSITORY, folders, snapshot_folder
from mlxq.catalog.local import LocalModels
from mlxq.catalog.loras import loras_in

#: How many names are told of each kind.
_MOST = 1000


def root_contents(local: LocalModels, models: set[Path]) -> RootContents:
    """What lies in the roots beside these models."""
    adapters: set[str] = set()
    loras: set[str] = set()
    for root in local.roots:
        for folder in _beside(root, DEPTH, models):
            with suppress(OSError, RuntimeError):  # a folder that may not be read, links in a circle
                real = folder.resolve()
                if not real.is_relative_to(root):
                    continue
                if len(adapters) < _MOST and is_adapter(folder):
                    adapters.add(text_of(real.relative_to(root)))
                for file in loras_in(folder):
                    if len(loras) < _MOST and file.resolve().is_relative_to(root):
                        loras.add(text_of(file.relative_to(root)))
    places = tuple(map(text_of, (*local.roots, *local.own_folders)))
    return RootContents(places, local.links, tuple(sorted(adapters)), tuple(sorted(loras)))


def _beside(folder: Path, depth: int, models: set[Path]) -> Iterator[Path]:
    """The folder and those in it that hold no model."""
    yield folder
    for inner in folders(folder) if depth else ():
        if inner.name.startswith(REPOSITORY):
            snapshot = snapshot_folder(inner)
            if snapshot is not None and snapshot not in models:
                yield snapshot
        elif inner not in models:
            yield from _beside(inner, depth - 1, models)
