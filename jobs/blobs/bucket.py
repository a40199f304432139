"""Blobs in a bucket of S3, or of a server that speaks the same, by obstore.

It knows objects and their ages; the bucket's clock counts, not that of this machine. Address, region and credentials
are those of the environment, under the names of AWS' own tools.
"""

import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from jobs.blobs.draft import Drafting, FileDraft
from jobs.blobs.ids import MADE, NAMED, SHARED, check, gone, is_id, is_own, kind_of, new_id, shared_id
from jobs.blobs.protocol import BlobStat
from jobs.blobs.ranged import ranged
from jobs.blobs.scratch import Scratch
from jobs.blobs.sending import Sending, sent_by
from jobs.errors import InsufficientStorage, ServiceUnavailable

#: Bytes of a part of a large object, and parts that are sent at the same time: they are held in memory.
_PART, _PARTS = 8 << 20, 2
#: Bytes of a piece of a stream.
_PIECE = 1 << 20
#: Seconds for which a list of all objects holds, and where it decides that there is no room.
_LISTED, _FRESH = 600.0, 2.0
#: Seconds after which a shared object is written anew, so that it counts as young.
_YOUNG = 900.0
#: An object whose age is none, by the bucket's clock. Its name is no id.
_CLOCK = "clock"
#: How long requests may take, and how often they are tried.
_CLIENT = {"allow_http": True, "connect_timeout": "5s", "read_timeout": "30s", "timeout": "10m"}
_TRIES = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Listing:
    """All blobs as they were a while ago, by their ids. `now`: the bucket's time then, `at` this process'."""

    found: dict[str, BlobStat]
    now: float
    at: float

    def older(self, age: float) -> list[str]:
        limit = self.now + time.monotonic() - self.at - age
        return [blob_id for blob_id, stat in self.found.items() if stat.modified < limit]


class S3Blobs(Drafting):
    """The blobs below an address such as `s3://bucket/prefix`. Thread-safe.

    Together they may have `limit` bytes; 0: any number. `listed`: seconds for which a list of all of them holds.
    """

    def __init__(self, url: str, scratch: Scratch, limit: int = 0, listed: float = _LISTED) -> None:
        parts = urlsplit(url)
        self._store = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            client_options=_CLIENT,  # type: ignore[arg-type]
            retry_config={"max_retries": _TRIES},
        )
        self._scratch, self._limit, self._listed = scratch, limit, listed
        self._lock, self._listing_lock = threading.Lock(), threading.Lock()
        self._last: _Listing | None = None
        self._written = 0

    # -- writing ---------------------------------------------------------------------------------------------------

    def check_room(self, size: int) -> None:
        """As in BlobStore."""
        if self._limit and not (self._fits(size, self._listed) or self._fits(size, _FRESH)):
            raise InsufficientStorage(
                f"There is no room in the bucket for the {max(size >> 20, 1)} MB that this request may need. "
                "Files of earlier jobs are deleted when their time is over (RESULT_TTL); DISK_LIMIT_GB bounds them."
            )

    def _fits(self, size: int, listed: float) -> bool:
        """Whether there is room, by a list of that age."""
        used = sum(stat.size for stat in self._list(listed).found.values())
        return size <= self._limit - used - self._written

    def put(self, data: bytes, kind: str = MADE) -> str:
        """As in BlobStore."""
        blob_id = new_id(kind, hashlib.sha256(data).hexdigest())
        self._put(data, blob_id, len(data))
        return blob_id

    def send(self, data: bytes) -> Sending:
        """As in JobBlobs."""
        blob_id = new_id(MADE, hashlib.sha256(data).hexdigest())
        return sent_by(lambda: self._put(data, blob_id, len(data)), blob_id)

    def put_shared(self, data: bytes) -> str:
        """As in BlobStore."""
        blob_id = shared_id(hashlib.sha256(data).hexdigest())
        with _told():
            try:
                age = time.time() - self._head(blob_id).modified
            except FileNotFoundError:
                age = float("inf")
        # A clock that is wrong leads to one request more.
        if abs(age) > _YOUNG:
            self._put(data, blob_id, len(data))
        return blob_id

    @contextlib.contextmanager
    def draft(self, kind: str = MADE) -> Iterator[FileDraft]:
        """As in BlobStore: a file of this machine until it is whole."""

        def write(file: BinaryIO, data: bytes) -> None:
            file.write(data)

        def keep(path: Path, blob_id: str) -> None:
            self._put(path, blob_id, path.stat().st_size)

        with self._scratch.file() as (path, file):
            yield FileDraft(kind, path, file, write, keep)

    def _put(self, what: bytes | Path, blob_id: str, size: int) -> None:
        self.check_room(size)
        with _told(reads=False):
            obstore.put(self._store, blob_id, what, chunk_size=_PART, max_concurrency=_PARTS)
        with self._lock:
            self._written += size

    # -- reading ---------------------------------------------------------------------------------------------------

    def read(self, blob_id: str) -> bytes:
        with _told():
            data = bytes(obstore.get(self._store, _checked(blob_id)).bytes())
        check(blob_id, hashlib.sha256(data).hexdigest())
        return data

    def open(self, blob_id: str) -> BinaryIO:
        """As in BlobStore: what is read of it is fetched."""

        def fetch(start: int, end: int) -> bytes:
            with _told():
                return bytes(obstore.get_range(self._store, blob_id, start=start, end=end))

        return ranged(self.stat(blob_id).size, fetch)

    @contextlib.contextmanager
    def local(self, blob_id: str) -> Iterator[Path]:
        """As in BlobStore: a copy, which is deleted at the end."""
        with self._scratch.file() as (path, file):
            digest = hashlib.sha256()
            with _told():
                for piece in obstore.get(self._store, _checked(blob_id)).stream(min_chunk_size=_PIECE):
                    digest.update(piece)
                    file.write(piece)
            file.flush()
            check(blob_id, digest.hexdigest())
            yield path

    def stat(self, blob_id: str) -> BlobStat:
        with _told():
            return self._head(_checked(blob_id))

    def _head(self, name: str) -> BlobStat:
        """Raises FileNotFoundError."""
        meta = obstore.head(self._store, name)
        return BlobStat(meta["size"], meta["last_modified"].timestamp())

    # -- deleting --------------------------------------------------------------------------------------------------

    def delete(self, blob_id: str) -> None:
        """Ids that are not there are ignored."""
        self._delete([blob_id] if is_id(blob_id) else [])

    def delete_all(self, blob_ids: Collection[str]) -> int:
        """As in BlobStore: a bucket does not say how many were there."""
        return self._delete([blob_id for blob_id in blob_ids if is_own(blob_id)])

    def sweep(self, age: float) -> int:
        """As in BlobStore. What a crash left half-written is no object yet: the bucket's own rules delete it."""
        return self._delete([each for each in self._list(self._listed).older(age) if kind_of(each) == MADE])

    def orphans(self, age: float) -> list[str]:
        """As in BlobStore."""
        return [each for each in self._list(self._listed).older(age) if kind_of(each) in NAMED]

    def delete_orphans(self, blob_ids: Collection[str], age: float) -> int:
        """As in BlobStore. A shared one may just have been put again."""
        orphans = {*blob_ids} & {*self.orphans(age)}
        shared = {each for each in orphans if kind_of(each) == SHARED}
        if shared:
            orphans -= shared - {*self._list(0).older(age)}
        return self._delete(orphans)

    def _delete(self, blob_ids: Collection[str]) -> int:
        if not blob_ids:
            return 0
        with _told(reads=False):
            obstore.delete(self._store, list(blob_ids))
        with self._lock:
            if self._last is not None:
                left = {each: stat for each, stat in self._last.found.items() if each not in blob_ids}
                self._last = replace(self._last, found=left)
        return len(blob_ids)

    # -- what is there ---------------------------------------------------------------------------------------------

    def _list(self, fresh: float) -> _Listing:
        """All blobs, as they were at most `fresh` seconds ago."""
        with self._listing_lock:
            last = self._last
            if last is not None and time.monotonic() - last.at < fresh:
                return last
            with self._lock:
                self._written = 0
            with _told(reads=False):
                # Ages are differences of the bucket's own times.
                obstore.put(self._store, _CLOCK, b"")
                now, at = self._head(_CLOCK).modified, time.monotonic()
                found = {
                    _name(meta["path"]): BlobStat(meta["size"], meta["last_modified"].timestamp())
                    for page in obstore.list(self._store)
                    for meta in page
                    if is_id(_name(meta["path"]))
                }
            with self._lock:
                self._last = _Listing(found, now, at)
            return self._last


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _checked(blob_id: str) -> str:
    """Raises BlobGone for what is no id."""
    if not is_id(blob_id):
        raise gone()
    return blob_id


@contextlib.contextmanager
def _told(*, reads: bool = True) -> Iterator[None]:
    """Raises the error for the client: of an object that is not there where one is read, else of the bucket."""
    try:
        yield
    except FileNotFoundError as error:
        if reads:
            raise gone() from None
        raise _away(error) from error
    except BaseError as error:
        raise _away(error) from error


def _away(error: Exception) -> ServiceUnavailable:
    log.warning("the bucket (BLOB_URL): %s", str(error)[:300])
    return ServiceUnavailable(
        f"The bucket that keeps files does not do what is asked ({type(error).__name__}).", retry_after=5
    )
