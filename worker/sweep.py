"""Housekeeping: what Redis does not expire by itself, because it sits in a list of others."""

import time
from typing import Any

import redis

from jobs import keys
from jobs.request import Category

#: Listed jobs looked at in one go.
_PAGE = 1000


def sweep(connection: redis.Redis) -> int:
    """Take expired jobs out of the registries and the listing, and forget workers that are gone.

    Returns how many jobs left the listing.
    """
    now = time.time()
    with connection.pipeline(transaction=False) as pipe:
        for category in Category:
            pipe.zremrangebyscore(keys.finished(category), "-inf", now)
            pipe.zremrangebyscore(keys.failed(category), "-inf", now)
            pipe.zremrangebyscore(keys.cancelled(category), "-inf", now)
        pipe.execute()
    names: Any = connection.smembers(keys.WORKER_STATES)
    for name in names:
        if not connection.exists(keys.worker_state(name.decode())):
            connection.srem(keys.WORKER_STATES, name)
    removed = 0
    cursor = 0
    while True:
        found: Any = connection.zscan(keys.JOBS, cursor, count=_PAGE)
        cursor, page = found
        ids = [job_id for job_id, _ in page]
        with connection.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.exists(keys.job(job_id.decode()))
            alive = pipe.execute() if ids else []
        gone = [job_id for job_id, exists in zip(ids, alive, strict=True) if not exists]
        if gone:
            removed += int(connection.zrem(keys.JOBS, *gone))
        if cursor == 0:
            return removed
