"""Where models may lie: below the model roots, and with MODEL_LINKS where links from there lead."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger(__name__)

#: Lines about folders that this process has logged.
_told: set[str] = set()
_MOST_TOLD = 1000


def is_inside(path: Path, roots: Iterable[Path], *, links: bool = False) -> bool:
    """Whether a path lies below one of these resolved folders, links followed.

    With `links` it is enough that the path as written lies below one: links in it may lead elsewhere.
    """
    roots, real = tuple(roots), path.resolve()
    if any(real.is_relative_to(root) for root in roots):
        return True
    written = Path(os.path.abspath(path))
    return links and any(written.is_relative_to(root) for root in roots)


def tell_once(line: str, path: Path) -> None:
    """Log a line that names a user's folder, once per process."""
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    said = line % shown
    if said not in _told and len(_told) < _MOST_TOLD:
        _told.add(said)
        log.warning("%s", said)
