"""Has what Redis wrote put on the disk, once a second.

Redis can do that itself (`appendfsync everysec`). But while the disk is slow to do it, Redis keeps what it has
acknowledged in its own memory for up to two seconds (`flushAppendOnlyFile` in aof.c), and whoever kills it then loses
that. Here every change is written before it is acknowledged: a kill loses nothing, a power failure the last second.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

#: Seconds between two looks.
_PAUSE = 1.0


class DiskSync:
    """A thread that looks after the append-only files of a folder, until `close`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: what was on the disk: time of the last change and size, by file
        self._synced: dict[Path, tuple[int, int]] = {}
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="disk-sync", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def sync(self) -> None:
        """Put on the disk what has changed. Files come and go: Redis rewrites them."""
        found: dict[Path, tuple[int, int]] = {}
        for path in self._files():
            with contextlib.suppress(OSError), path.open("rb") as file:
                status = os.fstat(file.fileno())
                state = (status.st_mtime_ns, status.st_size)
                if self._synced.get(path) != state:
                    os.fsync(file.fileno())
                found[path] = state
        self._synced = found

    def _files(self) -> Iterator[Path]:
        """The one of a Redis before 7, and those of the later ones."""
        yield self._folder / "appendonly.aof"
        yield from (self._folder / "appendonlydir").glob("*.aof")

    def _run(self) -> None:
        while not self._closed.wait(_PAUSE):
            self.sync()
