"""The blobs that one request brings along, until a job takes them over."""

import threading
from contextlib import AbstractContextManager

from jobs.blobs.ids import SENT, digest_of
from jobs.blobs.protocol import BlobStore, Draft


class Uploads:
    """The files that one request brings along. They are deleted with it, unless a job takes them over."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._ids: list[str] = []
        self._shared: list[str] = []
        self._lock, self._over = threading.Lock(), False

    @property
    def ids(self) -> tuple[str, ...]:
        return (*self._ids, *self._shared)

    def put(self, data: bytes) -> str:
        """As `BlobStore.put`."""
        return self._own(self._blobs.put(data, SENT))

    def draft(self) -> AbstractContextManager[Draft]:
        """As `BlobStore.draft`; `keep` makes it one of these files."""
        return self._blobs.draft(SENT)

    def keep(self, draft: Draft) -> str:
        """As `Draft.keep`."""
        return self._own(draft.keep())

    def _own(self, blob_id: str) -> str:
        with self._lock:
            if not self._over:
                self._ids.append(blob_id)
                return blob_id
        self._blobs.delete_all([blob_id])
        return blob_id

    def by_content(self, text: bytes) -> bytes:
        """A text that names these files, with their contents' hashes in place of their ids."""
        for blob_id in self._ids:
            text = text.replace(blob_id.encode(), (digest_of(blob_id) or "").encode())
        return text

    def put_shared(self, data: bytes) -> str:
        """As `BlobStore.put_shared`: the job keeps the blob from being deleted while it lives."""
        self._shared.append(self._blobs.put_shared(data))
        return self._shared[-1]

    def hand_over(self) -> None:
        """They are a job's from now on."""
        self._ids.clear()
        self._shared.clear()

    def end(self) -> None:
        """The request has ended. What a thread of it is still storing is deleted at once."""
        with self._lock:
            self._over = True

    def discard(self) -> None:
        """The request became no job. It waits for the store where there are any: call it off the event loop."""
        ids, self._ids, self._shared = self._ids, [], []
        self._blobs.delete_all(ids)
