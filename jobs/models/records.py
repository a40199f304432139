"""Records of models in Redis: the number of each, how often and when it was used, why it did not load.

The gate counts the uses, the workers write the errors. All of it can be lost: models themselves lie on the disk,
and numbers are given anew to those that are found there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis.asyncio

from jobs import keys


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """`number` stays with the model's id; `last_used` is in Unix seconds, None for never."""

    number: int
    uses: int = 0
    last_used: float | None = None
    error: str | None = None


async def model_records(client: redis.asyncio.Redis, ids: Sequence[str]) -> dict[str, ModelRecord]:
    """A record for each of these ids; one that has no number is given the next. Raises RedisError."""
    if not ids:
        return {}
    numbers: dict[str, Any] = dict(zip(ids, await client.hmget(keys.MODEL_NUMBERS, ids), strict=True))
    for model_id in (model_id for model_id, number in numbers.items() if number is None):
        # Of two that come at once one wins: the other's number stays unused.
        await client.hsetnx(keys.MODEL_NUMBERS, model_id, str(await client.incr(keys.LAST_MODEL_NUMBER)))
        numbers[model_id] = await client.hget(keys.MODEL_NUMBERS, model_id)
    async with client.pipeline(transaction=False) as pipe:
        for key in (keys.MODEL_USES, keys.MODEL_USED, keys.MODEL_ERRORS):
            pipe.hmget(key, ids)
        uses, used, errors = await pipe.execute()
    return {
        model_id: ModelRecord(
            int(numbers[model_id]), int(count or 0), float(when) / 1000 if when else None, error or None
        )
        for model_id, count, when, error in zip(ids, uses, used, errors, strict=True)
    }
