"""How much disk all cached prompts of this machine take, and which files go when they take too much.

This module knows files by their age and size. It does not know what is in them. Other processes may write into and
delete from the same folders.
"""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

#: The most that cached prompts take of the disk space that is free without them.
FREE_SHARE = 0.25
#: Seconds for which a count holds: another process may write meanwhile.
_FRESH = 5.0
#: What is deleted at once when the bound is reached, as a share of it.
_SLACK = 0.1
#: How the names of files begin that are being written, and seconds after which no process writes them any more.
UNFINISHED, _ABANDONED = "part-", 600.0


@cache
def disk_room(root: Path, limit: int) -> "DiskRoom":
    """The bound that all models of this process share."""
    return DiskRoom(root, limit)


class DiskRoom:
    """The bound of a folder and of all folders below it. Thread-safe."""

    def __init__(self, root: Path, limit: int) -> None:
        """At most `limit` bytes, and never more than FREE_SHARE of the free space."""
        self._root = root
        self._limit = limit
        self._lock = threading.Lock()
        self._used, self._counted_at = 0, float("-inf")

    def make(self, size: int, folder: Path) -> bool:
        """Delete the files that were not used for longest, until `size` bytes more are within the bound.

        Makes `folder`, where they will be written. False when they would be too many by themselves. Raises OSError.
        """
        with self._lock:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for each in reversed([folder, *folder.relative_to(self._root).parents][:-1]):
                (self._root / each).mkdir(mode=0o700, exist_ok=True)
            if time.monotonic() - self._counted_at > _FRESH:
                self._used = sum(status.st_size for _, status in self._files())
                self._counted_at = time.monotonic()
            limit = min(self._limit, int(FREE_SHARE * (shutil.disk_usage(self._root).free + self._used)))
            if size > limit:
                return False
            if self._used + size > limit:
                self._delete_oldest(max(0, int((1 - _SLACK) * limit) - size))
            self._used += size
            return True

    def _delete_oldest(self, most: int) -> None:
        """Until at most `most` bytes are left."""
        files = sorted(self._files(), key=lambda file: file[1].st_mtime_ns)
        self._used = sum(status.st_size for _, status in files)
        for path, status in files:
            if self._used <= most:
                return
            with suppress(FileNotFoundError):
                os.unlink(path)
            self._used -= status.st_size

    def _files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Deletes unfinished files that no process writes any more."""
        abandoned = time.time() - _ABANDONED
        for folder, _, names in os.walk(self._root):
            for name in names:
                path = os.path.join(folder, name)
                with suppress(FileNotFoundError):
                    status = os.stat(path, follow_symlinks=False)
                    if name.startswith(UNFINISHED) and status.st_mtime < abandoned:
                        os.unlink(path)
                    else:
                        yield path, status
