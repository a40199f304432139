"""The entry of a consumed queue in RQ's list of workers, so that `rq info` and dashboards show what runs.

The layout is RQ's (`rq.worker.BaseWorker.register_birth`, pinned by the contract tests).
"""

import contextlib
import os
import platform
import socket
from collections.abc import Collection
from typing import Any

import psutil
import redis

from jobs import keys
from jobs.gate import iso_now

#: Seconds after the last heartbeat that RQ's tools still list it.
LISTED = 60
RQ_LAYOUT = "2.12.0"
#: Seconds by which two looks at the start of a process may differ: the system counts it in ticks.
_CLOCK_SLACK = 2.0
_LOOPBACK = "127.0.0.1"


class Registration:
    """One consumed queue as an RQ worker."""

    def __init__(self, connection: redis.Redis, queue: str, name: str, machine: str) -> None:
        """`name`: host, pid, random digits and queue, with dots between. `machine`: see `machine.py`."""
        self._redis = connection
        self._queue = queue
        self.name = name
        self._machine = machine

    def register(self) -> None:
        key, now = keys.worker(self.name), iso_now()
        with self._redis.pipeline() as pipe:
            pipe.hset(
                key,
                mapping={
                    "birth": now,
                    "mlxq_machine": self._machine,
                    "mlxq_born": _born(os.getpid()) or 0,
                    "last_heartbeat": now,
                    "queues": self._queue,
                    "pid": os.getpid(),
                    # Of a joined worker it is what the gateway calls it: never that of the server's machine.
                    "hostname": self.name.rsplit(".", 3)[0],
                    "ip_address": _own_address(self._redis),
                    "version": RQ_LAYOUT,
                    "python_version": platform.python_version(),
                    "state": "idle",
                    "successful_job_count": 0,
                    "failed_job_count": 0,
                },
            )
            pipe.sadd(keys.WORKERS, key)
            pipe.sadd(keys.workers_of(self._queue), key)
            pipe.expire(key, LISTED)
            pipe.execute()

    def beat(self, *, busy: bool, finished: int, failed: int, worked: float = 0.0) -> None:
        """`worked`: seconds for which it had jobs.

        No current job is named: there may be many, and rq-dashboard would read it with pickle, whatever its options
        say, so that its page of workers fails.
        """
        key = keys.worker(self.name)
        if not self._redis.exists(key):
            self.register()
        with self._redis.pipeline() as pipe:
            pipe.hset(
                key,
                mapping={
                    "last_heartbeat": iso_now(),
                    "state": "busy" if busy else "idle",
                    "successful_job_count": finished,
                    "failed_job_count": failed,
                    "total_working_time": round(worked, 3),
                },
            )
            pipe.expire(key, LISTED)
            pipe.execute()

    def unregister(self) -> None:
        key = keys.worker(self.name)
        with self._redis.pipeline() as pipe:
            pipe.srem(keys.WORKERS, key)
            pipe.srem(keys.workers_of(self._queue), key)
            pipe.delete(key)
            pipe.execute()


def _own_address(connection: redis.Redis) -> str:
    """The address of this machine as Redis' machine sees it."""
    options = connection.connection_pool.connection_kwargs
    if "host" not in options:
        return _LOOPBACK
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Nothing is sent: the system chooses the way.
        probe.connect((options["host"], int(options.get("port", 6379))))
        return str(probe.getsockname()[0])
    return _LOOPBACK


def dead_workers(connection: redis.Redis, queues: Collection[str], machine: str) -> list[str]:
    """Names of workers of these queues and this machine whose process is gone.

    What they left need not wait for the end of its lease.
    """
    names = []
    members: Any = connection.smembers(keys.WORKERS)
    for key in (member.decode(errors="replace") for member in members):
        found: Any = connection.hmget(key, "mlxq_machine", "pid", "queues", "mlxq_born")
        # Others may write their own entries.
        where, pid, queue, born = (None if each is None else each.decode(errors="replace") for each in found)
        if pid is None:
            # Its hash has expired: it is not listed any more.
            connection.srem(keys.WORKERS, key)
            continue
        here = where == machine and (queue is None or queue in queues)
        if here and born and not _alive(int(pid), float(born)):
            with connection.pipeline() as pipe:
                pipe.srem(keys.WORKERS, key)
                if queue:
                    pipe.srem(keys.workers_of(queue), key)
                pipe.delete(key)
                pipe.execute()
            names.append(key.removeprefix(keys.worker("")))
    return names


def _alive(pid: int, born: float) -> bool:
    """Whether the process that was `born` then still runs: its pid may be another's by now."""
    try:
        found = _born(pid)
    except psutil.NoSuchProcess:
        return False
    return found is None or abs(found - born) <= _CLOCK_SLACK


def _born(pid: int) -> float | None:
    """When a process began by this machine's clock, in Unix seconds; None: that is not told."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.AccessDenied:
        return None
