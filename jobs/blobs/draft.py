"""A blob that is being written into a file of this machine: its bytes are counted for the store, and hashed.

It does not know where the store keeps what is complete.
"""

import asyncio
import contextlib
import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from jobs.blobs.ids import MADE, digest_of, new_id
from jobs.blobs.protocol import Draft
from jobs.errors import InvalidRequest, disk_full, is_disk_full


class FileDraft:
    """`write` puts bytes into the file; `keep` makes the file a blob with that id."""

    def __init__(
        self,
        kind: str,
        path: Path,
        file: BinaryIO,
        write: Callable[[BinaryIO, bytes], None],
        keep: Callable[[Path, str], None],
    ) -> None:
        self._kind, self._path, self._file = kind, path, file
        self._write, self._keep = write, keep
        self._hash = hashlib.sha256()

    @property
    def file(self) -> Path:
        self._file.flush()
        return self._path

    def write(self, data: bytes) -> None:
        """As in Draft."""
        self._write(self._file, data)
        self._hash.update(data)

    def keep(self, blob_id: str = "") -> str:
        """As in Draft."""
        digest = self._hash.hexdigest()
        blob_id = blob_id or new_id(self._kind, digest)
        if digest_of(blob_id) != digest:
            raise InvalidRequest("The content has another hash than the one of its id.", code="wrong_hash")
        self._keep(self.file, blob_id)
        return blob_id


class Drafting(ABC):
    """What a store can do that has drafts."""

    @abstractmethod
    def draft(self, kind: str = MADE) -> AbstractContextManager[Draft]: ...

    async def put_stream(self, chunks: AsyncIterable[bytes], kind: str = MADE) -> str:
        """As in BlobStore."""
        with self.draft(kind) as draft:
            async for chunk in chunks:
                await asyncio.to_thread(draft.write, chunk)
            return await asyncio.to_thread(draft.keep)


@contextlib.contextmanager
def full_disk_told() -> Iterator[None]:
    """Raises InsufficientStorage where the disk of this machine is full."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise disk_full() from error
        raise
