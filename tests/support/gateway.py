"""The gateway as a process of its own, with a Redis of its own, and sessions of workers at it."""

import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import redis
from pydantic import SecretStr

from config.settings import Settings
from jobs.session import Session
from mlxq.gateway import join_keys
from mlxq.gateway.certificate import certificate_of
from mlxq.gateway.join_keys import JoinKey
from mlxq.gateway.joining import join
from tests.private_redis import PrivateRedis
from tests.program import Program
from tests.support.ports import free_ports


class Gateway:
    """Use as a context manager. `client` speaks to Redis directly, as the server's own processes do."""

    def __init__(self, **settings: object) -> None:
        self.redis = PrivateRedis()
        self.data_dir = self.redis.data_dir
        self.port = free_ports(2)
        self._environment = {name: str(value) for name, value in settings.items()}
        self.program: Program | None = None
        self.client: redis.Redis = redis.Redis.from_url(self.redis.url)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """That of the server's processes."""
        return {
            "MLXQ_DATA_DIR": str(self.data_dir),
            "REDIS_URL": self.redis.url,
            "JOIN_HOST": "127.0.0.1",
            "JOIN_PORT": str(self.port),
            **self._environment,
        }

    def __enter__(self) -> "Gateway":
        self.redis.start()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.program is not None:
            self.program.kill_tree()
        self.client.close()
        self.redis.remove()

    def start(self, **settings: str) -> None:
        """Returns when it takes workers. `settings`: of this process alone."""
        self.program = Program([sys.executable, "-m", "mlxq.gateway"], {**self.environment, **settings})
        self.program.line("may join")

    def kill(self) -> None:
        assert self.program is not None
        self.program.kill_tree()

    def key(self, name: str = "") -> JoinKey:
        """A new one."""
        return join_keys.make(self.client, name, certificate_of(self.data_dir).fingerprint)

    def revoke(self, key: JoinKey) -> None:
        assert join_keys.revoke(self.client, key.id)

    def joined(self, key: JoinKey, data_dir: Path, **settings: Any) -> Settings:
        """The settings of a worker that has joined. Raises CannotJoin."""
        asked = Settings(join_url=self.url, join_key=SecretStr(str(key)), data_dir=data_dir, **settings)
        found = join(asked, threading.Event())
        assert found is not None
        return found


def session_of(settings: Settings) -> Session:
    session = Session.of(settings)
    assert session is not None
    return session
