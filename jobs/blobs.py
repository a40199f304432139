"""Blobs: bytes that are too big for Redis. A job's payload holds their ids; API and worker share the folder.

It knows files, not what is in them. A blob is not counted by its readers: it goes when it is old.
"""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterable, Iterator
from pathlib import Path
from typing import BinaryIO

from jobs.errors import BlobGone, InsufficientStorage

#: Bytes that are left on the disk for all else.
_RESERVE = 256 << 20
_ID = re.compile(r"blob-[0-9a-f]{32}")


class BlobStore:
    """The blobs in one folder, which is made when it is needed. Only the user can read them.

    Together they may have `limit` bytes; 0: as many as the disk has room for.
    """

    def __init__(self, folder: Path, limit: int = 0) -> None:
        self._folder = folder
        self._limit = limit

    def check_room(self, size: int) -> None:
        """Raises InsufficientStorage where `size` bytes more would be too many, for the limit or for the disk."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        room = shutil.disk_usage(self._folder).free - _RESERVE
        if self._limit:
            room = min(room, self._limit - self._used())
        if size > room:
            raise InsufficientStorage(
                f"There is no room on the disk for the {max(size >> 20, 1)} MB that this request may need. "
                "Files of earlier jobs are deleted when their time is over (RESULT_TTL); DISK_LIMIT_GB bounds them."
            )

    def _used(self) -> int:
        used = 0
        with os.scandir(self._folder) as entries:
            for entry in entries:
                # Another process may sweep.
                with contextlib.suppress(FileNotFoundError):
                    used += entry.stat().st_size
        return used

    def put(self, data: bytes) -> str:
        """Store these bytes; returns their id, which nobody can guess."""
        with self._new() as (blob_id, file):
            file.write(data)
        return blob_id

    async def put_stream(self, chunks: AsyncIterable[bytes]) -> str:
        """Store bytes as they come. When `chunks` raises, nothing is stored."""
        with self._new() as (blob_id, file):
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)
        return blob_id

    def path(self, blob_id: str) -> Path:
        """Where the blob lies. Raises BlobGone for an id that is none, or no more."""
        path = self._folder / blob_id
        if not _ID.fullmatch(blob_id) or not path.is_file():
            raise BlobGone("A file that belongs to this request is not there any more; send it again.")
        return path

    def read(self, blob_id: str) -> bytes:
        return self.path(blob_id).read_bytes()

    def open(self, blob_id: str) -> BinaryIO:
        return self.path(blob_id).open("rb")

    def size(self, blob_id: str) -> int:
        """In bytes."""
        return self.path(blob_id).stat().st_size

    def delete(self, blob_id: str) -> None:
        """Ids that are not there are ignored."""
        with contextlib.suppress(BlobGone, FileNotFoundError):
            self.path(blob_id).unlink()

    def sweep(self, age: float) -> int:
        """Delete what is older than `age` seconds, also what a crash left half-written. Returns how many."""
        deleted = 0
        limit = time.time() - age
        for path in self._folder.glob("blob-*"):
            # Another process may sweep too.
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < limit:
                    path.unlink()
                    deleted += 1
        return deleted

    @contextlib.contextmanager
    def _new(self) -> Iterator[tuple[str, BinaryIO]]:
        """A file that gets its name when it is whole."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        blob_id = f"blob-{secrets.token_hex(16)}"
        partial = self._folder / f"{blob_id}.part"
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                yield blob_id, file
            partial.rename(self._folder / blob_id)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
