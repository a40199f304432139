"""A worker host with scripted engines, and a client, for each test."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import redis

from config.settings import Settings
from jobs.client import JobClient
from jobs.gate import Ttl
from tests.support.audio import Keep
from tests.support.checkpoints import random_qwen3
from tests.support.lanes import Bench
from worker.machine import Machine

StartBench = Callable[..., Bench]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "first")
    random_qwen3(root / "second")
    random_qwen3(root / "third")
    return root


@pytest.fixture
def settings(models: Path, redis_url: str) -> Settings:
    return Settings(
        redis_url=redis_url,
        llm_model="none-at-start",
        model_roots=(models,),
        auto_download=False,
        # Steps stand still as long as a story wants: see `Bench.impatient`.
        step_timeout=60,
        load_timeout=60,
        drain_timeout=1,
    )


@pytest.fixture
async def client(redis_url: str, clean_redis: redis.Redis) -> AsyncIterator[JobClient]:
    client = JobClient(redis_url, queue_limit=50, ttl=Ttl(100, 100))
    await client.start()
    await client.bus.connected.wait()
    yield client
    await client.stop()


@pytest.fixture
def start_bench(settings: Settings, client: JobClient) -> Iterator[StartBench]:
    """Starts workers with these settings instead of the usual ones. They end with the test, however it ends."""
    started: list[Bench] = []

    def start(machine: Machine | None = None, **instead: object) -> Bench:
        started.append(Bench(settings.model_copy(update=instead), client, machine))
        started[-1].host.start()
        return started[-1]

    yield start
    for bench in started:
        bench.close()


@pytest.fixture
def bench(start_bench: StartBench) -> Bench:
    return start_bench()


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Writes a recording, and says where."""

    def keep(content: bytes) -> Path:
        path = tmp_path / "recording"
        path.write_bytes(content)
        return path

    return keep
