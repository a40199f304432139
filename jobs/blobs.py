"""Blobs: bytes that are too big for Redis. A job's payload holds their ids; API and worker share the folder.

It knows files, not what is in them. What requests bring along (`Uploads`) goes with the request or with its job; what
jobs make goes when it is old.
"""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterable, Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from jobs.errors import BlobGone, InsufficientStorage, disk_full, is_disk_full

#: Bytes that are left on the disk for all else.
_RESERVE = 256 << 20
#: Seconds for which a count of the folder's bytes holds while one file is written.
_FRESH = 1.0
#: How ids begin: of what jobs make, and of what requests bring along.
MADE, SENT = "blob", "input"
_ID = re.compile(rf"({MADE}|{SENT})-[0-9a-f]{{32}}")


class BlobStore:
    """The blobs in one folder, which is made when it is needed. Only the user can read them. Thread-safe.

    Together they may have `limit` bytes; 0: as many as the disk has room for.
    """

    def __init__(self, folder: Path, limit: int = 0) -> None:
        self._folder = folder
        self._limit = limit
        self._lock = threading.Lock()
        self._counted, self._counted_at = 0, float("-inf")

    def check_room(self, size: int) -> None:
        """Raises InsufficientStorage where `size` bytes more would be too many, for the limit or for the disk."""
        self._recount()
        with self._lock:
            self._check(size)

    def _check(self, size: int) -> None:
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
        """Bytes in the folder: counted a moment ago, and what was written since."""
        now = time.monotonic()
        if now - self._counted_at > _FRESH:
            self._counted, self._counted_at = 0, now
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    # Another process may sweep.
                    with contextlib.suppress(FileNotFoundError):
                        self._counted += entry.stat().st_size
        return self._counted

    def put(self, data: bytes, kind: str = MADE) -> str:
        """Store these bytes; returns their id, which nobody can guess. Raises InsufficientStorage."""
        self._recount()
        with self._new(kind) as (blob_id, file):
            self._write(file, data)
        return blob_id

    async def put_stream(self, chunks: AsyncIterable[bytes], kind: str = MADE) -> str:
        """Store bytes as they come. When `chunks` raises, nothing is stored. Raises InsufficientStorage."""
        with self._new(kind) as (blob_id, file):
            async for chunk in chunks:
                await asyncio.to_thread(self._write, file, chunk)
        return blob_id

    def _write(self, file: BinaryIO, data: bytes) -> None:
        with self._lock:
            self._check(len(data))
            self._counted += len(data)
        file.write(data)

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
            self._recount()

    def _recount(self) -> None:
        with self._lock:
            self._counted_at = float("-inf")

    def sweep(self, age: float) -> int:
        """Delete what jobs made more than `age` seconds ago, and what a crash left half-written. Returns how many."""
        old = [path for path in self._older(age) if not path.name.startswith(f"{SENT}-") or path.suffix]
        return self._unlink(old)

    def orphans(self, age: float) -> list[str]:
        """Ids of what requests brought along more than `age` seconds ago."""
        return [
            path.name for path in self._older(age) if path.name.startswith(f"{SENT}-") and not path.suffix
        ]

    def delete_all(self, blob_ids: Collection[str]) -> int:
        """Returns how many were there."""
        return self._unlink([self._folder / blob_id for blob_id in blob_ids if _ID.fullmatch(blob_id)])

    def _older(self, age: float) -> list[Path]:
        found, limit = [], time.time() - age
        for path in self._folder.glob("*-*"):
            # Another process may sweep too.
            with contextlib.suppress(FileNotFoundError):
                if path.name.startswith((f"{MADE}-", f"{SENT}-")) and path.stat().st_mtime < limit:
                    found.append(path)
        return found

    def _unlink(self, paths: Collection[Path]) -> int:
        deleted = 0
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                deleted += 1
        if deleted:
            self._recount()
        return deleted

    @contextlib.contextmanager
    def _new(self, kind: str) -> Iterator[tuple[str, BinaryIO]]:
        """A file that gets its name when it is whole."""
        blob_id = f"{kind}-{secrets.token_hex(16)}"
        partial = self._folder / f"{blob_id}.part"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                yield blob_id, file
            partial.rename(self._folder / blob_id)
        except BaseException as error:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            self._recount()
            if isinstance(error, OSError) and is_disk_full(error):
                raise disk_full() from error
            raise


class Uploads:
    """The files that one request brings along. They are deleted with it, unless a job takes them over."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._ids: list[str] = []

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._ids)

    def put(self, data: bytes) -> str:
        """As `BlobStore.put`."""
        self._ids.append(self._blobs.put(data, SENT))
        return self._ids[-1]

    async def put_stream(self, chunks: AsyncIterable[bytes]) -> str:
        """As `BlobStore.put_stream`."""
        self._ids.append(await self._blobs.put_stream(chunks, SENT))
        return self._ids[-1]

    def delete(self, blob_id: str) -> None:
        """One of them is of no use."""
        self._blobs.delete(blob_id)
        if blob_id in self._ids:
            self._ids.remove(blob_id)

    def hand_over(self) -> None:
        """They are a job's from now on."""
        self._ids.clear()

    def discard(self) -> None:
        """The request became no job."""
        ids, self._ids = self._ids, []
        self._blobs.delete_all(ids)
