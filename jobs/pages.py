"""Pages of a listing: a sorted set of ids, scored by the time of their creation.

A cursor is a place in time, so that it stays valid while others come and go. This module does not know what the ids
stand for.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import redis.asyncio

T = TypeVar("T")

#: Rows looked at in one go.
_PAGE = 100

Read = Callable[[Sequence[str]], Awaitable[list[T | None]]]


class UnknownCursor(LookupError):
    """Nothing in the listing has the id to go on after."""


async def page(
    connection: redis.asyncio.Redis,
    index: str,
    read: Read[T],
    wanted: Callable[[T], bool],
    *,
    limit: int,
    after: str | None = None,
    oldest_first: bool = False,
) -> tuple[list[T], bool]:
    """What is wanted after the row `after`, and whether there is more. Raises UnknownCursor.

    `read` returns what ids stand for, None for what is gone.
    """
    start, passed = ("-inf" if oldest_first else "+inf"), after is None
    if after is not None:
        score = await connection.zscore(index, after)
        cursor = None if score is None else (await read([after]))[0]
        if score is None or cursor is None or not wanted(cursor):
            raise UnknownCursor(after)
        start = repr(int(score))
    found: list[T] = []
    offset = 0
    while True:
        ids: Any
        if oldest_first:
            ids = await connection.zrangebyscore(index, start, "+inf", start=offset, num=_PAGE)
        else:
            ids = await connection.zrevrangebyscore(index, start, "-inf", start=offset, num=_PAGE)
        if not ids:
            return found, False
        offset += len(ids)
        for row_id, row in zip(ids, await read(ids), strict=True):
            if not passed:
                passed = row_id == after
            elif row is not None and wanted(row):
                if len(found) == limit:
                    return found, True
                found.append(row)
