"""Files that this process needs for a while: copies of blobs, and blobs that are not whole yet.

Each one is deleted after its use. Those of a process that was killed are deleted by the next one that needs such a
file: nobody holds their locks any more.
"""

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple

from jobs.blobs.draft import full_disk_told

#: Seconds after which a file without a lock belongs to nobody: one that was just made has none yet.
_MADE = 60.0


class ScratchFile(NamedTuple):
    path: Path
    file: BinaryIO


class Scratch:
    """Such files in one folder, which is made when it is needed. Only the user can read them. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def file(self) -> Iterator[ScratchFile]:
        """A new file, to write and read. Raises InsufficientStorage."""
        with full_disk_told():
            self._make_folder()
            number, name = tempfile.mkstemp(dir=self._folder)
            path = Path(name)
            try:
                with os.fdopen(number, "w+b") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    yield ScratchFile(path, file)
            finally:
                path.unlink(missing_ok=True)

    def nameless(self) -> IO[bytes]:
        """A new file without a name: it is there as long as it is open. Raises InsufficientStorage."""
        with full_disk_told():
            self._make_folder()
            return tempfile.TemporaryFile(dir=self._folder)

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._folder.iterdir():
            # Another process may look too.
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _MADE:
                    _unlink_unheld(path)


def _unlink_unheld(path: Path) -> None:
    """Raises OSError where a process holds it."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
