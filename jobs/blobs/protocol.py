"""What the API and the workers need of a blob store, wherever the bytes are.

It knows ids and bytes. It does not know what is in them, nor where they are stored.
"""

from collections.abc import AsyncIterable, Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

#: How ids begin: of what jobs make, of what requests bring along, and of what is stored until it is deleted.
MADE, SENT, STORED = "blob", "input", "stored"


class BlobStore(Protocol):
    """Thread-safe. Every method may wait for a disk or a network: call it off the event loop.

    Methods that read raise BlobGone for an id that is none, or whose blob was deleted.
    """

    def check_room(self, size: int) -> None:
        """Raises InsufficientStorage where there is no room for `size` bytes more."""
        ...

    def put(self, data: bytes, kind: str = MADE) -> str:
        """Store these bytes; returns their id, which nobody can guess. Raises InsufficientStorage."""
        ...

    async def put_stream(self, chunks: AsyncIterable[bytes], kind: str = MADE) -> str:
        """Store bytes as they come. When `chunks` raises, nothing is stored. Raises InsufficientStorage."""
        ...

    def put_shared(self, data: bytes) -> str:
        """Store bytes that many jobs use, once; returns an id that the content determines.

        They are kept while a job names them among its inputs, and for a while after the last call.
        """
        ...

    def read(self, blob_id: str) -> bytes: ...

    def open(self, blob_id: str) -> BinaryIO:
        """The bytes as a file that can be read and searched."""
        ...

    def local(self, blob_id: str) -> AbstractContextManager[Path]:
        """The bytes as a file of this machine, for libraries that open files themselves.

        The path is valid inside of the `with`. The file must not be changed. A folder hands out its own file; a
        store on another machine would make a copy.
        """
        ...

    def size(self, blob_id: str) -> int:
        """In bytes."""
        ...

    def delete(self, blob_id: str) -> None:
        """Ids that are not there are ignored."""
        ...

    def delete_all(self, blob_ids: Collection[str]) -> int:
        """Returns how many were there. Shared ones stay: see `delete_orphans`."""
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
