"""A model's place in the hub's cache, laid out as huggingface_hub lays it out.

Content lies in `blobs/` under its hash, a snapshot is links to it, and `refs/main` names the snapshot that counts.
It is written last: until then the model does not count as installed. The bytes of an unfinished file lie beside the
blobs as `<hash>.mlxq.incomplete`; the next download continues there. The lock is on that file itself, so that it
leaves nothing behind (filelock would need a second file).
"""

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from jobs.errors import InsufficientStorage
from mlxq.catalog.installed import TRASH
from mlxq.downloads.sources import Listing, RemoteFile

#: Bytes that are left free on the disk.
RESERVE = 256 * 1024 * 1024
#: Errors of the system when nothing more can be written.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def clear_trash(roots: Iterable[Path]) -> None:
    """Finish deletions that were interrupted."""
    for root in roots:
        for trash in [*root.glob(f"{TRASH}*"), *root.glob(f"*/{TRASH}*")]:
            shutil.rmtree(trash, ignore_errors=True)


class Store:
    def __init__(self, cache: Path, repo_id: str) -> None:
        self._repo_id = repo_id
        self.folder = cache / f"models--{repo_id.replace('/', '--')}"
        self._blobs = self.folder / "blobs"

    def prepare(self) -> None:
        """Raises InsufficientStorage and OSError."""
        with self.enough():
            self._blobs.mkdir(parents=True, exist_ok=True)

    def blob(self, file: RemoteFile) -> Path:
        """The path of the complete file."""
        return self._blobs / file.blob

    def has(self, file: RemoteFile) -> bool:
        try:
            return (self._blobs / file.blob).stat().st_size == file.size
        except OSError:
            return False

    def held(self, file: RemoteFile) -> int:
        """How many bytes of the file are on the disk."""
        if self.has(file):
            return file.size
        try:
            return min(self._partial(file).stat().st_size, file.size)
        except OSError:
            return 0

    def check_space(self, missing: int) -> None:
        """Raises InsufficientStorage when so many bytes do not fit on the disk."""
        free = shutil.disk_usage(self.folder).free
        if missing and missing + RESERVE > free:
            raise InsufficientStorage(
                f"The model '{self._repo_id}' needs {_size(missing)} more on the disk, and {_size(free)} are free."
            )

    def partial(self, file: RemoteFile) -> "Partial":
        return Partial(self._partial(file), self._blobs / file.blob, self, file)

    def publish(self, listing: Listing, files: list[RemoteFile]) -> Path:
        """Make a snapshot of these files, which are complete, and point `refs/main` to it. Returns its folder."""
        with self.enough():
            snapshot = self.folder / "snapshots" / listing.commit
            for file in files:
                link = snapshot / file.path
                link.parent.mkdir(parents=True, exist_ok=True)
                _replace_link(link, os.path.relpath(self._blobs / file.blob, link.parent))
            ref = self.folder / "refs" / "main"
            ref.parent.mkdir(parents=True, exist_ok=True)
            new = ref.with_name(f".main.{secrets.token_hex(4)}")
            new.write_text(listing.commit)
            new.replace(ref)
        return snapshot

    def enough(self) -> "_Enough":
        """A context in which a full disk is an InsufficientStorage."""
        return _Enough(self._repo_id)

    def _partial(self, file: RemoteFile) -> Path:
        return self._blobs / f"{file.blob}.mlxq.incomplete"


class Partial:
    """An unfinished file, locked against other processes while it is open."""

    def __init__(self, path: Path, blob: Path, store: Store, file: RemoteFile) -> None:
        self._path, self._blob, self._store, self._remote = path, blob, store, file
        self.size = 0

    def open(self) -> bool:
        """False when another download holds the same file, or has completed it."""
        with self._store.enough():
            self._path.touch()
        try:
            handle = self._path.open("r+b", buffering=0)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            return False
        if not self._path.exists() or os.fstat(handle.fileno()).st_ino != self._path.stat().st_ino:
            # Its owner has finished between our open and our lock.
            handle.close()
            return False
        if self._store.has(self._remote):
            # Its owner had finished before our open, which has created an empty file.
            self._path.unlink()
            handle.close()
            return False
        self._file: BinaryIO = handle
        self.size = handle.seek(0, os.SEEK_END)
        return True

    def close(self) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        with self._store.enough():
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
        self.size += len(data)

    def read(self, length: int) -> bytes:
        """The next bytes, after `rewind`."""
        return self._file.read(length)

    def rewind(self) -> None:
        self._file.seek(0)

    def cut(self) -> None:
        """Discard all bytes."""
        self._file.seek(0)
        self._file.truncate()
        self.size = 0

    def keep(self) -> None:
        """Make the complete and checked file a blob, after an fsync."""
        with self._store.enough():
            os.fsync(self._file.fileno())
        self._path.replace(self._blob)


class _Enough:
    def __init__(self, repo_id: str) -> None:
        self._repo_id = repo_id

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise InsufficientStorage(
                f"The disk is full: the model '{self._repo_id}' could not be fetched to its end. What came is kept."
            ) from error


def _replace_link(link: Path, target: str) -> None:
    if link.is_symlink() and os.readlink(link) == target:
        return
    new = link.with_name(f".{link.name[:64]}.{secrets.token_hex(4)}")
    new.symlink_to(target)
    new.replace(link)


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e8 else f"{number / 1e6:.1f} MB"
