"""A Redis of a test's own, which it may kill and start again."""

import os
import shutil
import tempfile
import time
from pathlib import Path

from config.settings import Settings
from mlxq.launch.redis_server import Lock, Plan, RedisServer, clean, prepare


class PrivateRedis:
    """The embedded Redis without the process that restarts it: down is down until `start()`."""

    def __init__(self) -> None:
        self.data_dir = Path(tempfile.mkdtemp(prefix="mlxq-"))
        settings = Settings(data_dir=self.data_dir, redis_url="")
        #: What redis.from_url() takes.
        self.url = settings.redis_address
        self.plan = Plan(self.data_dir, settings.redis_socket)
        prepare(self.plan)
        self._lock = Lock(self.plan.directory / "server.lock")
        self._server: RedisServer | None = None

    @property
    def is_up(self) -> bool:
        return self._server is not None

    @property
    def pid(self) -> int:
        assert self._server is not None, "it is down"
        return self._server.pid

    def start(self) -> None:
        """Start it on its files and return when it answers."""
        self._server = RedisServer(self.plan, self._lock)
        while not self._server.ready():
            assert self._server.poll() is None
            time.sleep(0.005)

    def stop(self) -> None:
        """End it as a shutdown does: all data is on disk."""
        if self._server:
            self._server.stop()
            self._wait()

    def kill(self) -> None:
        """`kill -9`."""
        if self._server:
            self._server.kill()
            self._wait()

    def _wait(self) -> None:
        while self._server and self._server.poll() is None:
            time.sleep(0.005)
        self._server = None

    def remove(self) -> None:
        """End it and delete its files. Nothing where that has been done."""
        self.kill()
        if not self.data_dir.exists():
            return
        clean(self.plan)
        os.close(self._lock.fd)
        shutil.rmtree(self.data_dir)
