"""What jobs have used, by day, app, key, kind and model: rows in Redis. It knows no prices and no HTTP.

`gate/usage.lua` adds each job to its row in the script that ends it, so that it counts exactly once. A day is that of
the API's local time, which `keep_time_zone` tells to the script: Redis has no time zones. A day has a bounded number
of rows; what is beyond counts in rows that have a key and a kind, but neither app nor model.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta

import redis.asyncio
from redis.exceptions import RedisError

from jobs import keys

#: Days that are kept, the current one included, and rows of one that have an app and a model (`usage.lua`).
KEPT_DAYS, MOST_ROWS = 366, 256
#: Characters of the hash of a key that rows have.
KEY_HASH = 8

_BETWEEN = "\x1f"
_EPOCH = date(1970, 1, 1)
#: Days that are read in one go.
_AT_ONCE = 7
#: Seconds after which the time zone is told again: clocks are put forward and back while the API runs.
_TELL_ZONE = 60.0


@dataclass(slots=True)
class Figures:
    """Sums over jobs, in the order in which a row has them.

    `device_milliseconds` are the times for which jobs ran, whether alone or beside others.
    """

    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0
    device_milliseconds: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    images: int = 0
    audio_milliseconds: int = 0
    characters: int = 0

    @property
    def requests(self) -> int:
        return self.completed + self.failed + self.cancelled + self.expired

    def add(self, other: "Figures") -> None:
        for name in _NAMES:
            setattr(self, name, getattr(self, name) + getattr(other, name))


_NAMES = tuple(each.name for each in fields(Figures))


@dataclass(frozen=True, slots=True)
class Row:
    """What jobs of one kind used on a day. `key` is the beginning of the key's hash, '' for none.

    `app` and `model` are None where the day had too many rows to tell them apart.
    """

    day: date
    kind: str
    key: str
    app: str | None
    model: str | None
    figures: Figures


def today() -> date:
    """The day that is counted for now."""
    return datetime.now().astimezone().date()


def utc_offset() -> timedelta:
    """How far local time is ahead of UTC now."""
    return datetime.now(UTC).astimezone().utcoffset() or timedelta()


async def keep_time_zone(client: redis.asyncio.Redis) -> None:
    """Tell the gate the local time, until it is cancelled."""
    while True:
        with contextlib.suppress(RedisError, OSError):
            await client.set(keys.USAGE_OFFSET, int(utc_offset().total_seconds()))
        await asyncio.sleep(_TELL_ZONE)


async def read(client: redis.asyncio.Redis, first: date, last: date) -> AsyncIterator[list[Row]]:
    """The rows of some days at a time, from `first` to `last`. Raises RedisError."""
    day = first
    while day <= last:
        days = [day + timedelta(number) for number in range(min(_AT_ONCE, (last - day).days + 1))]
        async with client.pipeline(transaction=False) as pipe:
            for each in days:
                pipe.hgetall(keys.usage((each - _EPOCH).days))
            found: list[Mapping[str, str]] = await pipe.execute()
        yield [
            row
            for each, rows in zip(days, found, strict=True)
            for name, figures in rows.items()
            if (row := _row(each, name, figures)) is not None
        ]
        day = days[-1] + timedelta(1)


def _row(day: date, name: str, figures: str) -> Row | None:
    """None for what another version wrote and this one can't read."""
    kind, *rest = name.split(_BETWEEN, 3)
    try:
        numbers = Figures(*map(int, figures.split()[: len(_NAMES)]))
    except ValueError:
        return None
    match rest:
        case [key, app, model]:
            return Row(day, kind, key, app, model, numbers)
        case [key]:
            return Row(day, kind, key, None, None, numbers)
    return None
