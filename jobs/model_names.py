"""Names that users gave to models, in Redis: name → the model's id. It knows no other names."""

from typing import Any

import redis.asyncio

from jobs import keys


async def given_names(client: redis.asyncio.Redis) -> dict[str, str]:
    """All of them. Raises RedisError."""
    names: Any = await client.hgetall(keys.MODEL_NAMES)
    return dict(names)


async def give_names(client: redis.asyncio.Redis, names: dict[str, str]) -> dict[str, str]:
    """Give names that no model has yet. Returns which model has each of them now. Raises RedisError."""
    if not names:
        return {}
    async with client.pipeline(transaction=True) as pipe:
        for name, model_id in names.items():
            pipe.hsetnx(keys.MODEL_NAMES, name, model_id)
        pipe.hmget(keys.MODEL_NAMES, list(names))
        found = (await pipe.execute())[-1]
    return dict(zip(names, found, strict=True))


async def take_names(client: redis.asyncio.Redis, model_id: str) -> None:
    """Take all names of a model that was deleted. Raises RedisError."""
    names = [name for name, named in (await given_names(client)).items() if named == model_id]
    if names:
        await client.hdel(keys.MODEL_NAMES, *names)
