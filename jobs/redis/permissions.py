"""The permissions (ACL) that the Redis user needs, and their check.

Every command that mlxq sends or a script of the gate calls is tried on a key that holds text, where it can do no
harm: a command for another type fails with WRONGTYPE, and with NOPERM where the user may not run it. `INFO` and
`CLIENT` are not among them: without `INFO` Redis' memory and version are not known, without `CLIENT` a stop takes a
second longer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
import redis.asyncio
from redis.exceptions import RedisError

from jobs import keys

_KEY, _RQ_KEY = "mlxq:probe", "rq:probe"
#: How Redis 6.2 and 7 refuse, in a script and elsewhere.
_REFUSALS = ("NOPERM", "The user executing the script can't", "ACL failure in script")
#: How a replica refuses what is written, in a script and elsewhere.
READ_ONLY = "read only replica"
#: How Redis refuses all that is written, and what that means.
_SHUT = {
    "MISCONF": "Redis can't write to its disk, which is full or broken, and takes nothing.",
    READ_ONLY: "Redis is a replica, which takes nothing: REDIS_URL has to name its primary.",
}
#: How the gateway refuses a joined worker what none may do.
NOT_JOINED = "a joined worker may not do this"
#: Seconds that these keys live.
_SHORT = 5

Command = tuple[str | int | float, ...]

_ON_TEXT: tuple[Command, ...] = (
    ("SET", _KEY, "0", "EX", _SHORT),
    ("SET", _RQ_KEY, "0", "EX", _SHORT),
    *(
        (name, _KEY)
        for name in (
            "GET",
            "MGET",
            "PERSIST",
            "EXISTS",
            "INCR",
            "HGETALL",
            "HKEYS",
            "HLEN",
            "HVALS",
            "LLEN",
            "SMEMBERS",
            "ZCARD",
        )
    ),
    *((name, _KEY, "x") for name in ("HGET", "HMGET", "HEXISTS", "HDEL", "LPOS", "LPUSH", "RPUSH")),
    *((name, _KEY, "x") for name in ("SADD", "SREM", "ZSCORE", "ZREM")),
    *((name, _KEY, 0, -1) for name in ("LRANGE", "LTRIM", "ZRANGE", "ZRANGEBYSCORE", "ZREMRANGEBYSCORE")),
    *((name, _KEY, "x", 1) for name in ("HSET", "HSETNX", "HINCRBY")),
    ("ZREVRANGEBYSCORE", _KEY, 0, -1),
    ("LINDEX", _KEY, 0),
    ("ZADD", _KEY, 0, "x"),
    ("HSCAN", _KEY, 0),
    ("ZSCAN", _KEY, 0),
    ("LREM", _KEY, 0, "x"),
    ("LPOP", _KEY, 1),
    ("LINSERT", _KEY, "BEFORE", "x", "y"),
    ("LMOVE", _KEY, _KEY, "LEFT", "RIGHT"),
    ("BLMOVE", _KEY, _KEY, "LEFT", "LEFT", 0.01),
    ("BLPOP", _KEY, 0.01),
    ("XADD", _KEY, "*", "e", "x"),
    ("XRANGE", _KEY, "-", "+"),
    ("XREVRANGE", _KEY, "+", "-"),
    ("XLEN", _KEY),
    ("EXPIRE", _KEY, _SHORT),
    ("DEL", _KEY, _RQ_KEY),
)
PROBES: tuple[Command, ...] = (
    ("PING",),
    ("TIME",),
    *_ON_TEXT,
    ("MULTI",),
    ("EXEC",),
    ("EVAL", "return 1", 0),
    ("EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", 0),
    # Readers of these channels take both for nothing.
    ("PUBLISH", keys.bus("probe"), "[]"),
    ("PUBLISH", keys.COMMANDS, "probe"),
)


@dataclass(frozen=True, slots=True)
class Denied:
    """What the user lacks; true if it lacks anything."""

    commands: tuple[str, ...] = ()
    keys: bool = False
    channels: bool = False
    #: a sentence: no rights at all help, Redis takes nothing from anybody
    shut: str = ""

    def __bool__(self) -> bool:
        return bool(self.commands or self.shut) or self.keys or self.channels

    def __str__(self) -> str:
        if self.shut:
            return self.shut
        lacks = []
        if self.commands:
            lacks.append(f"may not run {', '.join(self.commands)}")
        if self.keys:
            lacks.append("may not use all keys that begin with rq: and mlxq:")
        if self.channels:
            lacks.append("may not use the channels mlxq:bus:* and mlxq:commands")
        return f"The Redis user {' and '.join(lacks)}: mlxq needs that (ACL)."


def is_denied(error: BaseException) -> bool:
    """Whether Redis refused this for the lack of a permission, also inside of a script."""
    return isinstance(error, redis.exceptions.NoPermissionError) or (
        isinstance(error, RedisError) and any(words in str(error) for words in _REFUSALS)
    )


def is_refused(error: BaseException) -> bool:
    """Whether the gateway refused it, which it does again however often it is asked."""
    return isinstance(error, RedisError) and NOT_JOINED in str(error)


def check(connection: redis.Redis) -> Denied:
    """Raises RedisError and OSError where Redis is not there."""
    with connection.pipeline(transaction=False) as pipe:
        for command in PROBES:
            pipe.execute_command(*command)  # type: ignore[no-untyped-call]
        answers = pipe.execute(raise_on_error=False)
    subscribed: BaseException | None = None
    with connection.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
        try:
            channel.subscribe(keys.bus("probe"), keys.COMMANDS)
            channel.get_message(timeout=0.01)
        except RedisError as error:
            subscribed = error
    return _denied(answers, subscribed)


async def check_async(connection: redis.asyncio.Redis) -> Denied:
    """The same for an event loop, without the subscription: a process that has one knows that it may."""
    async with connection.pipeline(transaction=False) as pipe:
        for command in PROBES:
            pipe.execute_command(*command)
        answers = await pipe.execute(raise_on_error=False)
    return _denied(answers, None)


def _denied(answers: Sequence[Any], subscribed: BaseException | None) -> Denied:
    commands: list[str] = []
    lacks_keys = lacks_channels = False
    refusals = [str(answer) for answer in answers if isinstance(answer, RedisError)]
    shut = next((why for mark, why in _SHUT.items() if any(mark in refusal for refusal in refusals)), "")
    answered = [
        *zip((str(command[0]) for command in PROBES), answers, strict=True),
        ("SUBSCRIBE", subscribed),
    ]
    for name, answer in answered:
        if not isinstance(answer, BaseException) or not is_denied(answer):
            continue
        if "channel" in str(answer):
            lacks_channels = True
        elif " key" in str(answer):
            lacks_keys = True
        elif name not in commands:
            commands.append(name)
    return Denied(tuple(sorted(commands)), lacks_keys, lacks_channels, shut)
