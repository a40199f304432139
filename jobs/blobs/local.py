"""Blobs in a folder that the API and the worker share.

It knows files, not what is in them. What requests bring along (`Uploads`) is deleted with the request or its job.
What jobs make is deleted when it is old.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from jobs.blobs.draft import Drafting, FileDraft, full_disk_told
from jobs.blobs.ids import MADE, NAMED, SHARED, gone, is_id, is_own, kind_of, shared_id
from jobs.blobs.protocol import BlobStat
from jobs.blobs.sending import Sending
from jobs.errors import BlobGone, InsufficientStorage

#: Bytes that are left on the disk for all else.
_RESERVE = 256 << 20
#: Seconds for which a count of the folder's bytes holds while one file is written.
_FRESH = 1.0


class LocalBlobs(Drafting):
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
        """As in BlobStore."""
        self._recount()
        with self.draft(kind) as draft:
            draft.write(data)
            return draft.keep()

    def send(self, data: bytes) -> Sending:
        """As in JobBlobs: a disk is not waited for."""
        return Sending(self.put(data))

    def _write(self, file: BinaryIO, data: bytes) -> None:
        with self._lock:
            self._check(len(data))
            self._counted += len(data)
        file.write(data)

    def put_shared(self, data: bytes) -> str:
        """As in BlobStore."""
        blob_id = shared_id(hashlib.sha256(data).hexdigest())
        try:
            # It counts as young from now on.
            os.utime(self._path(blob_id))
        except (BlobGone, FileNotFoundError):
            self._recount()
            with self.draft(SHARED) as draft:
                draft.write(data)
                draft.keep(blob_id)
        return blob_id

    def _path(self, blob_id: str) -> Path:
        path = self._folder / blob_id
        if not is_id(blob_id) or not path.is_file():
            raise gone()
        return path

    def read(self, blob_id: str) -> bytes:
        with _swept_told():
            return self._path(blob_id).read_bytes()

    def open(self, blob_id: str) -> BinaryIO:
        with _swept_told():
            return self._path(blob_id).open("rb")

    @contextlib.contextmanager
    def local(self, blob_id: str) -> Iterator[Path]:
        """As in BlobStore: the file itself. Raises BlobGone at once where it is entered."""
        yield self._path(blob_id)

    def stat(self, blob_id: str) -> BlobStat:
        with _swept_told():
            found = self._path(blob_id).stat()
        return BlobStat(found.st_size, found.st_mtime)

    def delete(self, blob_id: str) -> None:
        """Ids that are not there are ignored."""
        with contextlib.suppress(BlobGone, FileNotFoundError):
            self._path(blob_id).unlink()
            self._recount()

    def _recount(self) -> None:
        with self._lock:
            self._counted_at = float("-inf")

    def sweep(self, age: float) -> int:
        """As in BlobStore."""
        old = [path for path in self._older(age) if kind_of(path.name) == MADE or path.suffix]
        return self._unlink(old)

    def orphans(self, age: float) -> list[str]:
        """As in BlobStore."""
        return [path.name for path in self._older(age) if kind_of(path.name) in NAMED and not path.suffix]

    def delete_all(self, blob_ids: Collection[str]) -> int:
        """As in BlobStore."""
        return self._unlink([self._folder / blob_id for blob_id in blob_ids if is_own(blob_id)])

    def delete_orphans(self, blob_ids: Collection[str], age: float) -> int:
        """As in BlobStore. A shared one may just have been put again."""
        return self._unlink([self._folder / blob_id for blob_id in {*blob_ids} & {*self.orphans(age)}])

    def _older(self, age: float) -> list[Path]:
        found, limit = [], time.time() - age
        for path in self._folder.glob("*-*"):
            # Another process may sweep too.
            with contextlib.suppress(FileNotFoundError):
                if kind_of(path.name) in (MADE, *NAMED) and path.stat().st_mtime < limit:
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
    def draft(self, kind: str = MADE) -> Iterator[FileDraft]:
        """As in BlobStore: a file that gets its name when it is whole."""
        partial = self._folder / f"{kind}-{secrets.token_hex(16)}.part"
        try:
            with full_disk_told():
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    yield FileDraft(kind, partial, file, self._write, self._keep)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
                self._recount()

    def _keep(self, partial: Path, blob_id: str) -> None:
        partial.rename(self._folder / blob_id)


@contextlib.contextmanager
def _swept_told() -> Iterator[None]:
    """Raises BlobGone for a file that another process deletes at this moment."""
    try:
        yield
    except FileNotFoundError:
        raise gone() from None
