"""What the API and the workers need of a blob store, wherever the bytes are.

It knows ids and bytes. It does not know what is in them, nor where they are stored.
"""

from collections.abc import AsyncIterable, Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from jobs.blobs.ids import MADE
from jobs.blobs.sending import Sending


class BlobStat(NamedTuple):
    """Bytes, and when they were written (Unix seconds)."""

    size: int
    modified: float


class Draft(Protocol):
    """A blob that is being written. It is discarded where it is left without `keep`."""

    @property
    def file(self) -> Path:
        """What was written so far, as a file of this machine."""
        ...

    def write(self, data: bytes) -> None:
        """Raises InsufficientStorage."""
        ...

    def keep(self, blob_id: str = "") -> str:
        """Make it a blob; returns its id. With `blob_id` under that one: raises InvalidRequest where it has the hash
        of another content. Raises InsufficientStorage and ServiceUnavailable.
        """
        ...


class JobBlobs(Protocol):
    """The blobs as an engine needs them: what its jobs name, and what they make.

    Thread-safe. Every method may wait for a disk or a network. All raise ServiceUnavailable where the store is out of
    reach. Those that read raise BlobGone for an id that is none, and where the blob was deleted.
    """

    def put(self, data: bytes) -> str:
        """Store what a job made; returns its id, which nobody can guess. Raises InsufficientStorage."""
        ...

    def send(self, data: bytes) -> Sending:
        """Begin to store what a job made, without waiting for a network. Raises InsufficientStorage."""
        ...

    def read(self, blob_id: str) -> bytes: ...

    def open(self, blob_id: str) -> BinaryIO:
        """The bytes as a file that can be read and searched."""
        ...

    def local(self, blob_id: str) -> AbstractContextManager[Path]:
        """The bytes as a file of this machine, for libraries that open files themselves.

        The path is valid inside of the `with`. The file must not be changed. A folder returns its own file; a store
        on another machine makes a copy.
        """
        ...


class BlobStore(JobBlobs, Protocol):
    """All that the API, and the housekeeping of a worker, need."""

    def check_room(self, size: int) -> None:
        """Raises InsufficientStorage where there is no room for `size` bytes more."""
        ...

    def put(self, data: bytes, kind: str = MADE) -> str:
        """As in JobBlobs, for any kind."""
        ...

    def draft(self, kind: str = MADE) -> AbstractContextManager[Draft]:
        """A blob that is written piece by piece, and may be looked at before it is kept."""
        ...

    async def put_stream(self, chunks: AsyncIterable[bytes], kind: str = MADE) -> str:
        """Store bytes as they come. When `chunks` raises, nothing is stored. Raises InsufficientStorage."""
        ...

    def put_shared(self, data: bytes) -> str:
        """Store bytes that many jobs use, once; returns an id that the content determines.

        They are kept while a job names them among its inputs, and for a while after the last call.
        """
        ...

    def stat(self, blob_id: str) -> BlobStat: ...

    def delete(self, blob_id: str) -> None:
        """Ids that are not there are ignored."""
        ...

    def delete_all(self, blob_ids: Collection[str]) -> int:
        """Returns how many were there, as far as that is known. Shared ones stay: see `delete_orphans`."""
        ...

    def sweep(self, age: float) -> int:
        """Delete what jobs made more than `age` seconds ago, and what a crash left half-written. Returns how many."""
        ...

    def orphans(self, age: float) -> list[str]:
        """Ids of what requests brought along, shared or stored, and nobody has put for `age` seconds."""
        ...

    def delete_orphans(self, blob_ids: Collection[str], age: float) -> int:
        """Delete those of `orphans` that are still orphans. Returns how many."""
        ...
