"""Batches in Redis: records, the right to drive one, and every change of one as a script.

The driver of a batch holds it by a token. What a driver writes that has lost its batch is refused.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import redis.asyncio

from jobs import keys
from jobs.batches.record import Asked, Batch, BatchProblem, BatchStatus, Begun
from jobs.files.store import REFERENCES
from jobs.gate import iso_now
from jobs.gate.scripts import ANNOUNCE
from jobs.pages import page
from jobs.redis.clock import CLOCK
from jobs.redis.script import Script

_HERE = Path(__file__).parent
_CREATE, _LEASE, _RELEASE, _ADVANCE, _CANCEL, _COMMIT, _DROP = (
    Script(REFERENCES, _HERE / "states.lua", _HERE / f"{name}.lua")
    for name in ("create", "lease", "release", "advance", "cancel", "commit", "drop")
)
_FINISH = Script(REFERENCES, _HERE / "states.lua", ANNOUNCE, _HERE / "finish.lua")
_STATUSES = Script(_HERE / "statuses.lua")
_ASKED = msgspec.json.Decoder(Asked)
_PROBLEMS = msgspec.json.Decoder(list[BatchProblem])
_BEGUN = msgspec.json.Decoder(Begun)

#: Seconds for which a driver holds a batch after it last renewed that.
LEASE = 6.0
#: Seconds that an ended batch is kept.
KEPT = 30 * 86_400
#: Ended batches that are forgotten in one go.
_SWEPT = 100
#: RQ's words.
_WAITING, _RUNNING = frozenset({"queued", "deferred", "scheduled", "created"}), "started"


class Lost(Exception):
    """Another process drives the batch, or it is not there any more."""


@dataclass(slots=True)
class Look:
    """Of some jobs: those that have ended, those that are not there, and how many wait."""

    ended: list[str]
    gone: list[str]
    waiting: int


class ForgottenJob(msgspec.Struct, frozen=True, array_like=True):
    """A job whose record goes; `scope` is that of its idempotency."""

    id: str
    queue: str
    scope: str


class FileGrowth(msgspec.Struct, frozen=True, kw_only=True):
    """What is added to a file of a batch. `record` is '' unless it is new; `replaces`: the last part, or none."""

    name: str
    id: str
    part: str
    added: int
    replaces: bool = False
    record: str = ""
    listed: bool = True
    created_ms: int = 0
    expires_at: int = 0


class Commit(msgspec.Struct, kw_only=True):
    """What is written in one step.

    `begun`: requests by their numbers, in JSON. `ended`: numbers of begun ones with an outcome. `sums`: fields of the
    record that grow. `jobs` are not needed any more.
    """

    offset: int
    number: int
    begun: dict[str, str] = {}
    ended: list[str] = []
    sums: dict[str, int] = {}
    files: list[FileGrowth] = []
    jobs: list[ForgottenJob] = []


class BatchStore:
    """All methods raise RedisError."""

    def __init__(self, connection: redis.asyncio.Redis) -> None:
        self._redis = connection

    async def create(self, asked: Asked, most: int, *, total: int | None = None) -> bool:
        """Accept a batch; its input is checked unless the `total` of requests is known. False: `most` are open."""
        status = BatchStatus.VALIDATING if total is None else BatchStatus.IN_PROGRESS
        fields: dict[str, str | bytes | int] = {
            "asked": msgspec.json.encode(asked),
            "status": status.value,
            f"at:{status.value}": asked.created_at,
            "total": total or 0,
        }
        told = [part for field in fields.items() for part in field]
        names = [keys.batch(asked.id), keys.batches(asked.dialect)]
        now = int(CLOCK.now() * 1000)
        return bool(await _CREATE(self._redis, names, asked.id, now, most, asked.input_blob, *told))

    async def get(self, batch_id: str) -> Batch | None:
        return (await self._read([batch_id]))[0]

    async def page(
        self, dialect: str, owner: str | None, *, limit: int, after: str | None, oldest_first: bool = False
    ) -> tuple[list[Batch], bool]:
        """Batches of an owner (None: of all), and whether there are more. Raises UnknownCursor."""
        return await page(
            self._redis,
            keys.batches(dialect),
            self._read,
            lambda batch: owner in (None, batch.asked.owner),
            limit=limit,
            after=after,
            oldest_first=oldest_first,
        )

    async def open(self) -> list[str]:
        """The ids of batches that have not ended, the oldest first."""
        found: Any = await self._redis.zrange(keys.OPEN_BATCHES, 0, -1)
        return list(found)

    async def lease(self, batch_id: str, token: str) -> BatchStatus | None:
        """Take or keep the right to drive a batch. None: another one has it, or there is nothing to drive."""
        status = await _LEASE(self._redis, [keys.batch(batch_id)], token, LEASE)
        return None if status in ("", "held") else BatchStatus(status)

    async def release(self, batch_id: str, token: str) -> None:
        """Give up the right to drive a batch."""
        await _RELEASE(self._redis, [keys.batch(batch_id)], token)

    async def begun(self, batch_id: str) -> dict[int, Begun]:
        """The requests that were begun and have no outcome."""
        found: Any = await self._redis.hgetall(keys.batch_requests(batch_id))
        return {int(number): _BEGUN.decode(text) for number, text in found.items()}

    async def begin(self, batch_id: str, token: str, total: int) -> BatchStatus:
        """The input is right. Raises Lost."""
        fields = ("total", total)
        return await self._advance(batch_id, token, BatchStatus.VALIDATING, BatchStatus.IN_PROGRESS, *fields)

    async def finalize(self, batch_id: str, token: str) -> BatchStatus:
        """All requests have outcomes. Raises Lost."""
        return await self._advance(batch_id, token, BatchStatus.IN_PROGRESS, BatchStatus.FINALIZING)

    async def refuse(self, batch: Batch, token: str, total: int, problems: Sequence[BatchProblem]) -> None:
        """The input is wrong. Raises Lost."""
        told = msgspec.json.encode(list(problems))
        names, fields = [keys.batch(batch.id)], ("total", total, "problems", told)
        if not await _ADVANCE(self._redis, names, token, "", "", *fields):
            raise Lost
        await self.finish(batch, token, BatchStatus.FAILED)

    async def _advance(
        self, batch_id: str, token: str, one: BatchStatus, other: BatchStatus, *fields: str | int
    ) -> BatchStatus:
        status = await _ADVANCE(self._redis, [keys.batch(batch_id)], token, one.value, other.value, *fields)
        if not status:
            raise Lost
        return BatchStatus(status)

    async def commit(self, batch_id: str, token: str, commit: Commit) -> BatchStatus:
        """Raises Lost."""
        names = [keys.batch(batch_id), keys.batch_requests(batch_id)]
        status = await _COMMIT(self._redis, names, token, msgspec.json.encode(commit))
        if not status:
            raise Lost
        return BatchStatus(status)

    async def finish(self, batch: Batch, token: str, status: BatchStatus) -> None:
        """Raises Lost."""
        names = [keys.batch(batch.id), keys.batch_requests(batch.id)]
        asked = batch.asked
        told = "" if asked.webhook is None else asked.webhook.encode()
        arguments = (token, batch.id, status.value, asked.input_blob, told, asked.owner, iso_now())
        if not await _FINISH(self._redis, names, *arguments):
            raise Lost

    async def cancel(self, batch_id: str) -> BatchStatus | None:
        """The status that it has now; None where there is none."""
        status = await _CANCEL(self._redis, [keys.batch(batch_id)])
        return BatchStatus(status) if status else None

    async def drop(self, batch: Batch) -> bool:
        """Forget an ended batch. Its files stay where they are listed. False: it has not ended."""
        files = () if batch.asked.listed else batch.files.values()
        names = [keys.batch(batch.id), keys.batches(batch.asked.dialect)]
        return bool(await _DROP(self._redis, names, batch.id, *files))

    async def sweep(self) -> None:
        """Forget batches that ended long ago."""
        old = int(CLOCK.now()) - KEPT
        ids: Any = await self._redis.zrangebyscore(keys.ENDED_BATCHES, "-inf", old, start=0, num=_SWEPT)
        for batch in await self._read(ids) if ids else ():
            if batch is not None:
                await self.drop(batch)

    async def look(self, job_ids: Collection[str]) -> Look:
        """How these jobs stand."""
        statuses: list[str] = await _STATUSES(self._redis, [], *job_ids) if job_ids else []
        found = Look([], [], 0)
        for job_id, status in zip(job_ids, statuses, strict=True):
            if not status:
                found.gone.append(job_id)
            elif status in _WAITING:
                found.waiting += 1
            elif status != _RUNNING:
                found.ended.append(job_id)
        return found

    async def _read(self, ids: Sequence[str]) -> list[Batch | None]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for batch_id in ids:
                pipe.hgetall(keys.batch(batch_id))
            rows: list[Mapping[str, str]] = await pipe.execute()
        return [_decode(row) if row else None for row in rows]


def _decode(row: Mapping[str, str]) -> Batch:
    def numbers(prefix: str) -> dict[str, int]:
        return {name: int(value) for name, value in _below(row, prefix).items()}

    return Batch(
        asked=_ASKED.decode(row["asked"]),
        status=BatchStatus(row["status"]),
        total=int(row.get("total", 0)),
        times=numbers("at:"),
        counts=numbers("count:"),
        files=_below(row, "file:"),
        tokens=numbers("tokens:"),
        problems=_PROBLEMS.decode(row["problems"]) if "problems" in row else [],
        offset=int(row.get("offset", 0)),
        number=int(row.get("number", 0)),
    )


def _below(row: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}
