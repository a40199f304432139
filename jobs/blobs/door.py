"""Blobs of another machine, through its gateway: the store of a worker that has joined.

It knows HTTP, ranges and hashes. Who may have which blob, the gateway decides (mlxq/gateway/blobs.py).
"""

import contextlib
import hashlib
import io
import ssl
import time
import weakref
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import IO, BinaryIO, cast

import httpx
import msgspec

from jobs.blobs.draft import full_disk_told
from jobs.blobs.ids import MADE, check, gone, is_id, new_id
from jobs.blobs.scratch import Scratch
from jobs.blobs.sending import Sending, sent_by
from jobs.errors import ErrorFields, InsufficientStorage, MlxqError, ServiceUnavailable

#: Bytes that are read or sent in one go.
_PIECE = 256 << 10
#: Seconds that the other side may be silent, and that a connection may take.
_SILENCE, _CONNECT = 15.0, 5.0
#: Seconds before the first repetition, and before later ones.
_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
#: Answers after which the same may succeed, beside those of an error of the server.
_AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
#: How often a file is fetched whose hash is wrong.
_COPIES = 2


class _Refused(msgspec.Struct, frozen=True):
    error: ErrorFields = ErrorFields()


class HttpBlobs:
    """The blobs behind a gateway. Thread-safe. A transfer that breaks off is taken up again.

    `base` is the gateway's address, `account` the name and the token of this worker, `tls` trusts the gateway alone.
    `patience`: seconds without progress after which a transfer fails, and seconds in which a file must be sent.
    """

    def __init__(
        self,
        base: str,
        account: tuple[str, str],
        scratch: Scratch,
        tls: ssl.SSLContext | bool = True,
        patience: float = 60.0,
    ) -> None:
        self._scratch, self._patience = scratch, patience
        self._client = httpx.Client(
            base_url=base,
            auth=account,
            headers={"accept-encoding": "identity"},
            timeout=httpx.Timeout(_SILENCE, connect=_CONNECT),
            trust_env=False,
            verify=tls,
        )
        # An engine that is unloaded just forgets its store.
        weakref.finalize(self, self._client.close)

    def put(self, data: bytes) -> str:
        """As in JobBlobs."""
        blob_id = new_id(MADE, hashlib.sha256(data).hexdigest())
        self._put(data, blob_id)
        return blob_id

    def send(self, data: bytes) -> Sending:
        """As in JobBlobs."""
        blob_id = new_id(MADE, hashlib.sha256(data).hexdigest())
        return sent_by(lambda: self._put(data, blob_id), blob_id)

    def _put(self, data: bytes, blob_id: str) -> None:
        """The id has the hash of the content, so that the same may be sent twice."""
        tries = _Tries(self._patience)
        while True:
            headers = {"content-length": str(len(data)), "content-type": "application/octet-stream"}
            try:
                answer = self._client.put(f"/blobs/{blob_id}", content=tries.timed(data), headers=headers)
            except httpx.TransportError as error:
                tries.failed(error)
                continue
            if answer.is_success:
                return
            tries.refused(answer)

    def read(self, blob_id: str) -> bytes:
        whole = io.BytesIO()
        self._copy(blob_id, whole)
        return whole.getvalue()

    def open(self, blob_id: str) -> BinaryIO:
        """As in JobBlobs: a copy without a name, which is there as long as it is open."""
        with full_disk_told(), contextlib.ExitStack() as on_error:
            copy = on_error.enter_context(self._scratch.nameless())
            self._copy(blob_id, copy)
            copy.seek(0)
            on_error.pop_all()
            return cast(BinaryIO, copy)

    @contextlib.contextmanager
    def local(self, blob_id: str) -> Iterator[Path]:
        """As in JobBlobs: a copy, which is deleted at the end."""
        with self._scratch.file() as (path, file):
            self._copy(blob_id, file)
            file.flush()
            yield path

    def _copy(self, blob_id: str, file: IO[bytes]) -> None:
        """Raises ServiceUnavailable where what comes is not what the id names."""
        for left in reversed(range(_COPIES)):
            file.seek(0)
            file.truncate()
            digest = hashlib.sha256()
            for piece in self._pieces(blob_id):
                digest.update(piece)
                file.write(piece)
            try:
                return check(blob_id, digest.hexdigest())
            except ServiceUnavailable:
                if not left:
                    raise

    def _pieces(self, blob_id: str) -> Iterator[bytes]:
        """All bytes, in order. After an interruption the rest is asked for."""
        if not is_id(blob_id):
            raise gone()
        tries, place, size = _Tries(self._patience), 0, -1
        while place != size:
            rest = {"range": f"bytes={place}-"} if place else {}
            try:
                with self._client.stream("GET", f"/blobs/{blob_id}", headers=rest) as answer:
                    if answer.status_code != (HTTPStatus.PARTIAL_CONTENT if place else HTTPStatus.OK):
                        answer.read()
                        tries.refused(answer)
                        continue
                    size = place + int(answer.headers["content-length"])
                    for piece in answer.iter_raw(_PIECE):
                        place += len(piece)
                        tries.advanced()
                        yield piece
            except httpx.TransportError as error:
                tries.failed(error)


class _Tries:
    """How long one transfer is tried."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self.advanced()

    def advanced(self) -> None:
        """There is progress: patience begins anew."""
        self._until, self._pause = time.monotonic() + self._patience, _PAUSE

    def timed(self, data: bytes) -> Iterator[bytes]:
        """The bytes as they are sent. Raises ServiceUnavailable where that takes too long."""
        for place in range(0, len(data), _PIECE):
            if time.monotonic() > self._until:
                raise _away("is too slow")
            yield data[place : place + _PIECE]

    def failed(self, error: httpx.TransportError) -> None:
        """Wait before the next attempt. Raises ServiceUnavailable."""
        self._wait(_away(f"is out of reach: {type(error).__name__}"))

    def refused(self, answer: httpx.Response) -> None:
        """The same after an answer. Raises the error of one that is final."""
        error = _error_of(answer)
        if isinstance(error, ServiceUnavailable):
            self._wait(error)
        else:
            raise error

    def _wait(self, error: MlxqError) -> None:
        if time.monotonic() + self._pause > self._until:
            raise error
        time.sleep(self._pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)


def _away(reason: str) -> ServiceUnavailable:
    return ServiceUnavailable(f"The machine that keeps files {reason}.", retry_after=5)


def _error_of(answer: httpx.Response) -> MlxqError:
    if answer.status_code == HTTPStatus.NOT_FOUND:
        return gone()
    try:
        told = msgspec.json.decode(answer.content, type=_Refused).error
    except msgspec.DecodeError:
        told = ErrorFields(f"it answers {answer.status_code}")
    if answer.status_code == HTTPStatus.INSUFFICIENT_STORAGE:
        return InsufficientStorage(told.message)
    if answer.status_code in (*_AGAIN, *range(500, 600)):
        return _away(f"does not answer as it should: {answer.status_code}")
    error = MlxqError(f"The machine that keeps files refuses one: {told.message}")
    error.code = told.code
    return error
