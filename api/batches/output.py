"""The files that a batch writes: outcomes are collected, and appended some at a time.

A part of a file does not change. Small outcomes are written into a new part that takes the place of the last one, so
that a file has few parts and its readers have outcomes soon.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from api.dispatch.batch_dialect import Outcome
from jobs.batches import Batch, BatchStore, Begun, Commit, FileGrowth, ForgottenJob, Lost
from jobs.blobs import STORED, BlobStore
from jobs.files import FileStore, Part, StoredFile, new_file_id
from jobs.redis.clock import CLOCK

#: Bytes up to which the last part of a file is written anew.
_PART = 256 << 10
#: Seconds that an outcome may wait for others, and bytes that may.
_PATIENCE, _MOST = 0.25, 256 << 10


class Output:
    """Of one batch, while this process drives it. `offset` and `number`: how far its input was read."""

    def __init__(self, blobs: BlobStore, store: BatchStore, token: str, batch: Batch) -> None:
        self.offset, self.number = batch.offset, batch.number
        self._blobs, self._store, self._token, self._batch = blobs, store, token, batch
        self._ids = dict(batch.files)
        self._tails: dict[str, Part | None] = {}
        self._clear()

    def _clear(self) -> None:
        self._data: dict[str, bytearray] = {}
        self._sums: Counter[str] = Counter()
        self._ended: list[str] = []
        self._jobs: list[ForgottenJob] = []
        self._size, self._since = 0, 0.0

    async def load(self, files: FileStore) -> None:
        """Read where the files end. Raises RedisError."""
        for name, file_id in self._ids.items():
            parts = await files.parts(file_id)
            self._tails[name] = parts[-1] if parts else None

    @property
    def empty(self) -> bool:
        return not self._sums

    @property
    def due(self) -> bool:
        return self._size >= _MOST or (not self.empty and time.monotonic() - self._since >= _PATIENCE)

    def add(
        self, outcome: Outcome, number: int | None = None, tokens: Mapping[str, int] | None = None
    ) -> None:
        """An outcome; `number` is that of a request that was begun."""
        if self.empty:
            self._since = time.monotonic()
        self._data.setdefault(outcome.file, bytearray()).extend(outcome.data)
        self._size += len(outcome.data)
        self._sums[f"count:{outcome.kind}"] += 1
        for name, count in (tokens or {}).items():
            self._sums[f"tokens:{name}"] += count
        if number is not None:
            self._ended.append(str(number))

    def forget(self, job: ForgottenJob) -> None:
        """The job's record goes when its outcome is written."""
        self._jobs.append(job)

    async def begin(self, begun: Mapping[int, Begun], jobs: Sequence[ForgottenJob] = ()) -> None:
        """Write which requests are begun, and forget `jobs` that were theirs. Raises Lost and RedisError."""
        told = {str(number): msgspec.json.encode(each).decode() for number, each in begun.items()}
        commit = Commit(offset=self.offset, number=self.number, begun=told, jobs=list(jobs))
        await self._store.commit(self._batch.id, self._token, commit)

    async def write(self) -> None:
        """Write what was collected. Raises Lost, RedisError and InsufficientStorage."""
        made: list[str] = []
        growths = [await self._grow(name, bytes(data), made) for name, data in self._data.items()]
        commit = Commit(
            offset=self.offset,
            number=self.number,
            ended=self._ended,
            sums=dict(self._sums),
            files=growths,
            jobs=self._jobs,
        )
        try:
            await self._store.commit(self._batch.id, self._token, commit)
        except Lost:
            await asyncio.to_thread(self._blobs.delete_all, made)
            raise
        for growth in growths:
            self._ids[growth.name] = growth.id
            self._tails[growth.name] = Part.decode(growth.part)
        self._clear()

    async def _grow(self, name: str, data: bytes, made: list[str]) -> FileGrowth:
        tail = self._tails.get(name)
        replaces = tail is not None and tail.size + len(data) <= _PART
        whole = data

        def put() -> str:
            nonlocal whole
            if replaces and tail is not None:
                whole = self._blobs.read(tail.blob) + data
            return self._blobs.put(whole, STORED)

        blob = await asyncio.to_thread(put)
        made.append(blob)
        part = Part(blob, len(whole)).encode()
        if name in self._ids:
            return FileGrowth(name=name, id=self._ids[name], part=part, added=len(data), replaces=replaces)
        record = self._record(name)
        return FileGrowth(
            name=name,
            id=record.id,
            part=part,
            added=len(data),
            record=msgspec.json.encode(record).decode(),
            listed=self._batch.asked.listed,
            created_ms=int(CLOCK.now() * 1000),
            expires_at=record.expires_at or 0,
        )

    def _record(self, name: str) -> StoredFile:
        asked, now = self._batch.asked, int(CLOCK.now())
        return StoredFile(
            id=new_file_id(),
            filename=f"{asked.id}_{name}.jsonl",
            purpose="batch_output",
            owner=asked.owner,
            created_at=now,
            expires_at=None if asked.output_ttl is None else now + asked.output_ttl,
            batch=asked.id,
        )
