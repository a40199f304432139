"""Housekeeping: deletes what has expired in Redis and on the disk, and ended jobs while Redis' memory is short."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import redis
from redis.exceptions import RedisError

from jobs import keys
from jobs.blobs import BlobStore
from jobs.errors import MlxqError
from jobs.kinds import QUEUES
from jobs.queue.order import read_waiting
from jobs.redis.clock import CLOCK
from jobs.service_class import CLASSES

#: Listed jobs looked at, and files deleted, in one go.
_PAGE = 1000
#: Seconds after which an uploaded file must belong to a job: longer than any request is read.
ORPHAN_AGE = 3600.0
#: Seconds between two sweeps of what has expired.
SWEEP = 30.0
#: Seconds that a job's files are kept at least: it may have to wait before it runs, and to run again.
SHORTEST_BLOB = 6 * 3600.0
#: Seconds between two log lines about the same shortage.
_REMIND = 60.0

log = logging.getLogger(__name__)


class Housekeeping:
    """Of a server: its worker calls `run` after each heartbeat, or its gateway where it has no worker."""

    def __init__(
        self, connection: redis.Redis, ttl: int, blobs: BlobStore, relieve: Callable[[], int]
    ) -> None:
        """`ttl`: seconds that an ended job is kept. `relieve` deletes ended jobs while memory is short: how many."""
        self._redis, self._ttl = connection, ttl
        self._blobs = blobs
        self._delete_ended = relieve
        self._swept = time.monotonic()
        self._files: threading.Thread | None = None
        self._evicted, self._warned_at = 0, float("-inf")

    def run(self) -> None:
        """Raises RedisError."""
        self._relieve()
        due = self._is_due()
        if due:
            sweep(self._redis)
        if self._files is None or not self._files.is_alive():
            # The next heartbeat does not wait for a store that is far away.
            files = threading.Thread(target=self._tidy_files, args=[due], name="files", daemon=True)
            files.start()
            # Another thread may close this meanwhile, and can't join one that has not been started.
            self._files = files

    def close(self, patience: float) -> None:
        """Wait for what is deleted now."""
        if self._files is not None:
            self._files.join(patience)

    def _is_due(self) -> bool:
        """Whether to look for what has expired."""
        due = time.monotonic() - self._swept >= min(SWEEP, self._ttl)
        if due:
            self._swept = time.monotonic()
        return due

    def _tidy_files(self, due: bool) -> None:
        try:
            collect(self._redis, self._blobs)
            if due:
                sweep_orphans(self._redis, self._blobs)
                self._blobs.sweep(max(self._ttl, SHORTEST_BLOB))
        except (MlxqError, RedisError, OSError) as error:
            # What was not deleted now is an orphan, or old, some day.
            log.warning("files of ended jobs could not be deleted: %s", error)

    def _relieve(self) -> None:
        """Delete ended jobs before Redis is full and refuses results."""
        deleted = self._delete_ended()
        self._evicted += deleted
        if deleted and time.monotonic() - self._warned_at > _REMIND:
            self._warned_at = time.monotonic()
            log.warning(
                "Redis' memory is short (REDIS_MAXMEMORY_MB): %d ended jobs were deleted before their time so far",
                self._evicted,
            )


def collect(connection: redis.Redis, blobs: BlobStore) -> int:
    """Delete the files that ended jobs do not need any more. Returns how many."""
    deleted = 0
    while True:
        # If this process dies now, `sweep_orphans` or the age limit finds these files.
        files: Any = connection.lpop(keys.GARBAGE, _PAGE)
        if not files:
            return deleted
        deleted += blobs.delete_all([file.decode() for file in files])


def sweep_orphans(connection: redis.Redis, blobs: BlobStore, age: float = ORPHAN_AGE) -> int:
    """Delete files that belong to no job and are not stored, because a process died meanwhile. Returns how many."""
    orphans = blobs.orphans(age)
    if not orphans:
        return 0
    with connection.pipeline(transaction=True) as pipe:
        for queue in QUEUES:
            read_waiting(pipe, queue)
            pipe.lrange(keys.intermediate(queue), 0, -1)
            pipe.zrange(keys.deferred(queue), 0, -1)
            pipe.zrange(keys.started(queue), 0, -1)
        found: Any = pipe.execute()
    # A running job is listed with its execution.
    ids = {member.decode().partition(":")[0] for members in found for member in members}
    with connection.pipeline(transaction=False) as pipe:
        for job_id in ids:
            pipe.hget(keys.job(job_id), "mlxq_inputs")
        inputs = pipe.execute() if ids else []
    needed = {blob for each in inputs if each for blob in each.decode().split()}
    for place in range(0, len(orphans), _PAGE):
        page = orphans[place : place + _PAGE]
        stored: Any = connection.hmget(keys.STORED_BLOBS, page)
        needed |= {blob for blob, needs in zip(page, stored, strict=True) if needs is not None}
    return blobs.delete_orphans({*orphans} - needed, age)


def sweep(connection: redis.Redis) -> int:
    """Remove expired jobs from the registries and the listing, and workers that have ended.

    Returns how many jobs left the listing.
    """
    now = CLOCK.now()
    with connection.pipeline(transaction=False) as pipe:
        for queue in QUEUES:
            pipe.zremrangebyscore(keys.finished(queue), "-inf", now)
            pipe.zremrangebyscore(keys.failed(queue), "-inf", now)
            pipe.zremrangebyscore(keys.cancelled(queue), "-inf", now)
            pipe.zremrangebyscore(keys.expired(queue), "-inf", now)
        pipe.execute()
    for queue in QUEUES:
        for each in CLASSES:
            _sweep_waiting(connection, keys.waiting(queue, each))
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


def _sweep_waiting(connection: redis.Redis, key: str) -> None:
    """Forget what waits no more, because RQ's own tools have taken it away."""
    found: Any = connection.zrange(key, 0, -1)
    for start in range(0, len(found), _PAGE):
        ids = found[start : start + _PAGE]
        with connection.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.exists(keys.job(job_id.decode()))
            there = pipe.execute()
        gone = [job_id for job_id, exists in zip(ids, there, strict=True) if not exists]
        if gone:
            connection.zrem(key, *gone)
