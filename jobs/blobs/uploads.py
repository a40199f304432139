"""The blobs that one request brings along, until a job takes them over."""

from collections.abc import AsyncIterable

from jobs.blobs.protocol import SENT, BlobStore


class Uploads:
    """The files that one request brings along. They are deleted with it, unless a job takes them over."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._ids: list[str] = []
        self._shared: list[str] = []

    @property
    def ids(self) -> tuple[str, ...]:
        return (*self._ids, *self._shared)

    def put(self, data: bytes) -> str:
        """As `BlobStore.put`."""
        self._ids.append(self._blobs.put(data, SENT))
        return self._ids[-1]

    async def put_stream(self, chunks: AsyncIterable[bytes]) -> str:
        """As `BlobStore.put_stream`."""
        self._ids.append(await self._blobs.put_stream(chunks, SENT))
        return self._ids[-1]

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
