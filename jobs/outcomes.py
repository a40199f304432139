"""What jobs ended with, by RQ's Result. It only reads."""

import base64
from collections.abc import Sequence
from typing import Any

import msgspec
import redis.asyncio

from jobs import keys
from jobs.info import JobInfo
from jobs.queue.listing import read


async def outcomes(connection: redis.asyncio.Redis, ids: Sequence[str]) -> list[JobInfo | None]:
    """These ended jobs with their results; None for those that are gone. Raises RedisError."""
    infos = await read(connection, ids)
    return [None if info is None else await with_outcome(connection, info) for info in infos]


async def with_outcome(connection: redis.asyncio.Redis, info: JobInfo) -> JobInfo:
    """An ended job with its result, if it has one. Raises RedisError."""
    results: Any = await connection.xrevrange(keys.results(info.id), "+", "-", count=1)
    if not results or "return_value" not in results[0][1]:
        return info
    result = msgspec.Raw(base64.b64decode(results[0][1]["return_value"]))
    return msgspec.structs.replace(info, result=result)
