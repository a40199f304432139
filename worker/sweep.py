"""Housekeeping: what Redis does not expire by itself, because it sits in a list of others."""

import time
from typing import Any

import redis

from jobs import keys
from jobs.request import Category

#: Listed jobs looked at in one go.
_PAGE = 1000


def sweep(connection: redis.Redis) -> int:
    """Take jobs that have expired out of the registries and the listing. Returns how many left the listing."""
    now = time.time()
    with connection.pipeline(transaction=False) as pipe:
        for category in Category:
            pipe.zremrangebyscore(keys.finished(category), "-inf", now)
            pipe.zremrangebyscore(keys.failed(category), "-inf", now)
            pipe.zremrangebyscore(keys.cancelled(category), "-inf", now)
        pipe.execute()
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
