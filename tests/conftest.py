"""What every test may use: a clean environment, and Redis."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from config.settings import Settings, variables
from tests.private_redis import PrivateRedis
from tests.support import spreading


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    spreading.sort(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> spreading.Scheduling | None:
    return spreading.Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The settings of whoever runs the tests do not reach them, nor do the tests reach their data."""
    with pytest.MonkeyPatch.context() as patch:
        for name in Settings.model_fields:
            for variable in variables(name):
                patch.delenv(variable, raising=False)
        patch.delenv("MLXQ_PARENT_PID", raising=False)
        # Prompts on the disk would let tests depend on each other. Whole systems have folders of their own.
        patch.setenv("PROMPT_CACHE_DISK_GB", "0")
        patch.setenv("MLXQ_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        # Each client reads all certificates of the world else, which takes longer than most tests.
        patch.setattr("httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context))
        # A busy machine may take longer than the five seconds that are usual.
        for phase in ("connect", "read", "write", "pool"):
            patch.setattr(f"httpx._config.DEFAULT_TIMEOUT_CONFIG.{phase}", 60.0)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent.parent), *_python_path()]))
        yield


def _python_path() -> list[str]:
    return [path] if (path := os.environ.get("PYTHONPATH")) else []


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[PrivateRedis]:
    server = PrivateRedis()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def redis_url(shared_redis: PrivateRedis) -> str:
    """The address of one Redis for the whole session; `clean_redis` empties it for a test."""
    return shared_redis.url


@pytest.fixture
def clean_redis(redis_url: str) -> Iterator[redis.Redis]:
    """A client of the session's Redis, which is empty before and after the test."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        yield client
        client.flushall()


@pytest.fixture
def redis_server() -> Iterator[PrivateRedis]:
    """A Redis of the test's own, running: `.url`, `.pid`, `.kill()`, `.stop()`, `.start()`."""
    server = PrivateRedis()
    server.start()
    yield server
    server.remove()
