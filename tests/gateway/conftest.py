"""One gateway for all stories that leave it whole."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from config.settings import Settings
from jobs.gate import AsyncGate, Gate, Ttl
from jobs.redis.connection import async_connection, connection
from tests.support.api_server import ApiServer
from tests.support.gateway import Gateway, session_of


@pytest.fixture(scope="package")
def gateway() -> Iterator[Gateway]:
    with Gateway() as running:
        yield running


@pytest.fixture
def joined(gateway: Gateway, tmp_path: Path) -> Settings:
    """The settings of a worker that has joined with a key of its own."""
    return gateway.joined(gateway.key("laptop"), tmp_path)


@pytest.fixture
def worker(joined: Settings) -> Iterator[redis.Redis]:
    """What that worker has instead of Redis."""
    with connection(joined.redis_address) as client:
        yield client


@pytest.fixture
def name(joined: Settings) -> str:
    return session_of(joined).worker


@pytest.fixture
def gate(worker: redis.Redis, name: str) -> Gate:
    """The worker's side, through the gateway."""
    return Gate(worker, "llm", f"{name}.llm", Ttl.of(Settings()))


@pytest.fixture
async def front(gateway: Gateway) -> AsyncIterator[AsyncGate]:
    """The API's side."""
    client = async_connection(gateway.redis.url)
    yield AsyncGate(client, Ttl.of(Settings()))
    await client.aclose()


@pytest.fixture
def api_url(gateway: Gateway) -> Iterator[Callable[..., str]]:
    """The address of an API with these settings."""
    with ExitStack() as opened:

        def start(**settings: object) -> str:
            api = ApiServer(Settings(redis_url=gateway.redis.url, **settings))  # type: ignore[arg-type]
            return opened.enter_context(api).url

        yield start
