"""One file from a hub's address to a blob: the missing bytes are requested, and the content is checked by its hash.

Not by `snapshot_download`: huggingface_hub 1.33 writes to a temporary file of one process and starts again at byte 0
after a kill, checks only the size of what came by plain HTTP, and its threads can't be cancelled.
"""

import asyncio
import hashlib
import logging
import random
import re
from typing import Protocol

import httpx

from jobs.errors import HubUnavailable
from mlxq.downloads.meter import Meter
from mlxq.downloads.sources import HubTrouble, RemoteFile
from mlxq.downloads.store import Partial, Store

log = logging.getLogger(__name__)

#: Attempts in a row without a single byte before the download fails; the first pause in seconds, and the longest.
TRIES, PAUSE, LONGEST_PAUSE = 6, 0.5, 30.0
#: Longest pause in seconds that the hub's `Retry-After` can ask for.
LONGEST_WISH = 300.0
#: How often a file whose hash is wrong is downloaded.
WRONG = 2
TIMEOUT = httpx.Timeout(15.0, read=30.0, pool=None)
_PIECE = 1024 * 1024
_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


class Refused(Exception):
    """The hub refused one file for good."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


async def fetch(
    client: httpx.AsyncClient, headers: dict[str, str], file: RemoteFile, store: Store, meter: Meter
) -> None:
    """Download the file into the store. Raises MlxqError, Refused, and HubTrouble when all attempts fail."""
    partial, before = store.partial(file), store.held(file)
    while not store.has(file):
        if not await asyncio.to_thread(partial.open):
            if not store.has(file):
                await asyncio.sleep(PAUSE)
            continue
        try:
            await _Fetch(client, headers, file, partial, meter).run()
        finally:
            partial.close()
        return
    # It was here already, or another process has downloaded it.
    meter.done += file.size - before
    meter.files_done += 1


class _Fetch:
    def __init__(
        self,
        client: httpx.AsyncClient,
        headers: dict[str, str],
        file: RemoteFile,
        partial: Partial,
        meter: Meter,
    ) -> None:
        self._client, self._headers, self._file = client, headers, file
        self._partial, self._meter = partial, meter
        self._digest: Digest | None = None

    async def run(self) -> None:
        for _ in range(WRONG):
            await asyncio.to_thread(self._read_again)
            await self._complete()
            if self._right():
                await asyncio.to_thread(self._partial.keep)
                self._meter.files_done += 1
                return
            log.warning("the hash of %s is wrong: it is thrown away", self._file.path)
            self._restart()
        raise HubUnavailable(
            f"The file '{self._file.path}' came with a wrong checksum, twice; it was thrown away.",
            retry_after=60,
        )

    async def _complete(self) -> None:
        """Request the missing bytes until all are here, however often the connection breaks."""
        failures = 0
        while self._partial.size != self._file.size:
            before = self._partial.size
            try:
                await self._go_on()
                if self._partial.size != before:
                    continue
                trouble = HubTrouble("the hub sends nothing")
            except httpx.TransportError as error:
                trouble = HubTrouble(f"the connection to the hub broke ({type(error).__name__})")
            except HubTrouble as error:
                trouble = error
            failures = 1 if self._partial.size > before else failures + 1
            if failures >= TRIES:
                raise trouble
            await pause(failures, trouble)

    async def _go_on(self) -> None:
        """Send one request for the missing bytes."""
        start = self._partial.size
        headers = {**self._headers, "accept-encoding": "identity"}
        if start:
            headers["range"] = f"bytes={start}-"
        async with self._client.stream("GET", self._file.url, headers=headers) as answer:
            status = answer.status_code
            # The addresses that the hub redirects to expire. The next request gets a new one.
            expired = status in (401, 403) and answer.history
            if status in (408, 429) or status >= 500 or expired:
                raise HubTrouble(f"the hub is in trouble ({status})", wish(answer))
            if status == 416:
                self._restart()
                raise HubTrouble("the hub has not the bytes that are missing")
            if status not in (200, 206):
                raise Refused(status)
            if start and not _continues(answer, start):
                # The server ignores ranges, or sends another one.
                self._restart()
                if status == 206:
                    raise HubTrouble("the hub sent other bytes than those that are missing")
            async for data in answer.aiter_bytes():
                self._take(data)

    def _take(self, data: bytes) -> None:
        if self._partial.size + len(data) > self._file.size:
            self._restart()
            raise HubTrouble("the hub sent more than the file has")
        self._partial.write(data)
        assert self._digest is not None
        self._digest.update(data)
        self._meter.add(len(data), self._file.path)

    def _restart(self) -> None:
        self._meter.lose(min(self._partial.size, self._file.size))
        self._partial.cut()
        self._digest = self._new_digest()

    def _read_again(self) -> None:
        """Hash the bytes of an earlier attempt. More bytes than the file has are discarded."""
        self._digest = digest = self._new_digest()
        if self._partial.size > self._file.size:
            self._restart()
        self._partial.rewind()
        while data := self._partial.read(_PIECE):
            digest.update(data)

    def _new_digest(self) -> Digest:
        if self._file.git_sha1 is None:
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % self._file.size, usedforsecurity=False)

    def _right(self) -> bool:
        assert self._digest is not None
        right = self._file.sha256 or self._file.git_sha1
        return right is None or self._digest.hexdigest() == right


def _continues(answer: httpx.Response, start: int) -> bool:
    found = _RANGE.fullmatch(answer.headers.get("content-range", ""))
    return answer.status_code == 206 and found is not None and int(found[1]) == start


def wish(answer: httpx.Response) -> float | None:
    """Seconds that the hub asks to wait."""
    value = answer.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else None


async def pause(failures: int, trouble: HubTrouble) -> None:
    """Wait before the next attempt: longer each time, or as long as the hub asks."""
    if trouble.pause is not None:
        seconds = min(trouble.pause, LONGEST_WISH)
    else:
        seconds = min(PAUSE * 2 ** (failures - 1), LONGEST_PAUSE) * random.uniform(0.8, 1.2)
    log.info("%s; the next try is in %.1f s", trouble.reason, seconds)
    await asyncio.sleep(seconds)
