"""What jobs ended with: RQ's Result, and of a failure the error as its last event tells it. It only reads."""

import base64
from collections.abc import Sequence
from typing import Any

import msgspec
import redis.asyncio

from jobs import keys
from jobs.errors import ErrorFields, MlxqError
from jobs.info import JobInfo
from jobs.queue.listing import read


async def outcomes(connection: redis.asyncio.Redis, ids: Sequence[str]) -> list[JobInfo | None]:
    """These ended jobs with their results or errors; None for those that are gone. Raises RedisError."""
    infos = await read(connection, ids)
    return [None if info is None else await with_outcome(connection, info) for info in infos]


async def with_outcome(connection: redis.asyncio.Redis, info: JobInfo) -> JobInfo:
    """An ended job with its result or error. Raises RedisError."""
    async with connection.pipeline(transaction=False) as pipe:
        pipe.xrevrange(keys.results(info.id), "+", "-", count=1)
        pipe.hget(keys.job(info.id), "mlxq_error")
        rows: list[Any] = await pipe.execute()
    results, failure = rows
    result = None
    if results and "return_value" in results[0][1]:
        result = msgspec.Raw(base64.b64decode(results[0][1]["return_value"]))
    return msgspec.structs.replace(info, result=result, error=error_of(failure))


def error_of(text: str | None) -> MlxqError | None:
    """That of a failed job, by the field `mlxq_error` of its hash."""
    return MlxqError.of(msgspec.json.decode(text, type=ErrorFields)) if text else None
