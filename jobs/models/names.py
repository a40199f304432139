"""Names that users gave to models, in Redis: name → the model's id, and name → alias. It knows no other names."""

from typing import Any

import msgspec
import redis.asyncio

from jobs import keys
from jobs.models.alias import ModelAlias

_alias = msgspec.json.Decoder(ModelAlias)


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
    """Take all names and aliases of a model that was deleted. Raises RedisError."""
    names = [name for name, named in (await given_names(client)).items() if named == model_id]
    if names:
        await client.hdel(keys.MODEL_NAMES, *names)
    aliases = [name for name, alias in (await given_aliases(client)).items() if alias.model == model_id]
    if aliases:
        await client.hdel(keys.MODEL_ALIASES, *aliases)


async def given_aliases(client: redis.asyncio.Redis) -> dict[str, ModelAlias]:
    """All of them, but for what another version of mlxq wrote. Raises RedisError."""
    stored: Any = await client.hgetall(keys.MODEL_ALIASES)
    found = {}
    for name, value in stored.items():
        try:
            found[name] = _alias.decode(value)
        except msgspec.MsgspecError:
            continue
    return found


async def give_aliases(client: redis.asyncio.Redis, aliases: dict[str, ModelAlias]) -> dict[str, ModelAlias]:
    """Give them, in place of those that have their names. Returns them. Raises RedisError."""
    if aliases:
        values: Any = {name: msgspec.json.encode(alias) for name, alias in aliases.items()}
        await client.hset(keys.MODEL_ALIASES, mapping=values)
    return aliases


async def take_alias(client: redis.asyncio.Redis, name: str) -> bool:
    """Whether there was one of that name. Raises RedisError."""
    return bool(await client.hdel(keys.MODEL_ALIASES, name))
