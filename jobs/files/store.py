"""Stored files in Redis: records, parts, listing, expiry. The bytes are in the blob store."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import redis.asyncio

from jobs import keys
from jobs.files.record import Part, StoredFile
from jobs.pages import page
from jobs.redis.clock import CLOCK
from jobs.redis.script import Script

_HERE = Path(__file__).parent
REFERENCES = _HERE / "refs.lua"
_PUT, _DROP = (Script(REFERENCES, _HERE / f"{name}.lua") for name in ("put", "drop"))
_RECORD = msgspec.json.Decoder(StoredFile)
#: Expired files that are forgotten in one go.
_SWEPT = 100


class FileStore:
    """All methods raise RedisError."""

    def __init__(self, connection: redis.asyncio.Redis) -> None:
        self._redis = connection

    async def put(self, record: StoredFile, part: Part, most: int) -> bool:
        """Keep a file of one part. False where there are `most` files already."""
        names = [keys.file(record.id), keys.file_parts(record.id)]
        expires = "" if record.expires_at is None else record.expires_at
        now = int(CLOCK.now() * 1000)
        written = msgspec.json.encode(record)
        return bool(
            await _PUT(
                self._redis, names, record.id, now, most, expires, part.encode(), written, record.bytes
            )
        )

    async def get(self, file_id: str) -> StoredFile | None:
        """None for a file that is not there, or has expired."""
        return (await self._read([file_id]))[0]

    async def parts(self, file_id: str) -> list[Part]:
        found: Any = await self._redis.lrange(keys.file_parts(file_id), 0, -1)
        return [Part.decode(text) for text in found]

    async def page(
        self,
        owner: str | None,
        purpose: str | None,
        *,
        limit: int,
        after: str | None = None,
        oldest_first: bool = False,
    ) -> tuple[list[StoredFile], bool]:
        """Files of an owner (None: of all), and whether there are more. Raises UnknownCursor."""

        def wanted(record: StoredFile) -> bool:
            return owner in (None, record.owner) and purpose in (None, record.purpose)

        return await page(
            self._redis,
            keys.STORED_FILES,
            self._read,
            wanted,
            limit=limit,
            after=after,
            oldest_first=oldest_first,
        )

    async def drop(self, file_id: str) -> bool:
        """Forget a file. Returns whether it was there."""
        return bool(await _DROP(self._redis, [keys.file(file_id), keys.file_parts(file_id)], file_id))

    async def sweep(self) -> int:
        """Forget files that have expired. Returns how many."""
        expired: Any = await self._redis.zrangebyscore(
            keys.EXPIRING_FILES, "-inf", int(CLOCK.now()), start=0, num=_SWEPT
        )
        for file_id in expired:
            await self.drop(file_id)
        return len(expired)

    async def _read(self, ids: Sequence[str]) -> list[StoredFile | None]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for file_id in ids:
                pipe.hmget(keys.file(file_id), ["record", "bytes"])
            rows: list[Any] = await pipe.execute()
        return [_decode(*row) for row in rows]


def _decode(text: str | None, size: str | None) -> StoredFile | None:
    if text is None:
        return None
    record = msgspec.structs.replace(_RECORD.decode(text), bytes=int(size or 0))
    if record.expires_at is not None and record.expires_at <= CLOCK.now():
        return None
    return record
