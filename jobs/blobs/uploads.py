"""The blobs that one request brings along, until a job takes them over."""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator

from jobs.blobs.protocol import SENT, BlobStore


class Uploads:
    """The files that one request brings along. They are deleted with it, unless a job takes them over."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._ids: list[str] = []
        self._shared: list[str] = []
        #: what is in those that have ids of their own
        self._digests: dict[str, bytes] = {}

    @property
    def ids(self) -> tuple[str, ...]:
        return (*self._ids, *self._shared)

    def put(self, data: bytes) -> str:
        """As `BlobStore.put`."""
        return self._own(self._blobs.put(data, SENT), hashlib.sha256(data).digest())

    async def put_stream(self, chunks: AsyncIterable[bytes]) -> str:
        """As `BlobStore.put_stream`."""
        digest = hashlib.sha256()

        async def read() -> AsyncIterator[bytes]:
            async for chunk in chunks:
                digest.update(chunk)
                yield chunk

        blob_id = await self._blobs.put_stream(read(), SENT)
        return self._own(blob_id, digest.digest())

    def _own(self, blob_id: str, digest: bytes) -> str:
        self._ids.append(blob_id)
        self._digests[blob_id] = digest
        return blob_id

    def by_content(self, text: bytes) -> bytes:
        """A text that names these files, with their contents' hashes in place of their ids."""
        for blob_id, digest in self._digests.items():
            text = text.replace(blob_id.encode(), digest.hex().encode())
        return text

    def put_shared(self, data: bytes) -> str:
        """As `BlobStore.put_shared`: the job keeps the blob from being deleted while it lives."""
        self._shared.append(self._blobs.put_shared(data))
        return self._shared[-1]

    def delete(self, blob_id: str) -> None:
        """One of them is of no use."""
        self._blobs.delete(blob_id)
        if blob_id in self._ids:
            self._ids.remove(blob_id)

    def hand_over(self) -> None:
        """They are a job's from now on."""
        self._ids.clear()
        self._shared.clear()

    def discard(self) -> None:
        """The request became no job."""
        ids, self._ids, self._shared = self._ids, [], []
        self._blobs.delete_all(ids)
