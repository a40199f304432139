"""A worker that has joined: it works, survives what is restarted around it, and leaves when its key is revoked."""

import asyncio
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.exceptions import AuthenticationError

from config.settings import Settings
from jobs import keys
from jobs.blobs import LocalBlobs
from jobs.client import JobClient
from jobs.consumer.consumer import REFUSED
from jobs.events import Completed
from jobs.gate import AsyncGate, Gate, Ttl
from jobs.redis.connection import async_connection, connection
from mlxq.gateway.join_keys import JoinKey
from tests.program import Program
from tests.support.checkpoints import random_qwen3
from tests.support.gateway import Gateway, session_of
from tests.support.jobs import request, waiting
from tests.support.lanes import Bench

pytestmark = pytest.mark.anyio

TTL = Ttl.of(Settings())


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "first")
    return root


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """One that is killed, and whose Redis is."""
    with Gateway() as running:
        yield running


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[JobClient]:
    """The API's side."""
    client = JobClient(gateway.redis.url, queue_limit=50, ttl=TTL)
    await client.start()
    await client.bus.connected.wait()
    yield client
    await client.stop()


@pytest.fixture
def key(gateway: Gateway) -> JoinKey:
    return gateway.key("laptop")


@pytest.fixture
def bench(gateway: Gateway, client: JobClient, key: JoinKey, models: Path, tmp_path: Path) -> Iterator[Bench]:
    """A joined worker with scripted engines."""
    usual = {"llm_model": "none-at-start", "model_roots": (models,), "hub_cache": tmp_path / "hub"}
    settings = gateway.joined(key, tmp_path, **usual, auto_download=False, drain_timeout=0, step_timeout=60)
    bench = Bench(settings, client)
    assert bench.host.start()
    yield bench
    bench.close()


async def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_joined_worker_does_jobs_and_is_listed(bench: Bench, gateway: Gateway, key: JoinKey) -> None:
    last = (await bench.story(await bench.submit("first", count=3)))[-1]
    assert isinstance(last.event, Completed)
    (state,) = await bench.client.workers()
    assert state.name == bench.host.name
    assert gateway.client.get(keys.joined(state.name)) == key.id.encode()
    assert gateway.client.ttl(keys.joined(state.name)) > 0


async def test_what_is_restarted_loses_no_job(bench: Bench, gateway: Gateway) -> None:
    """The gateway is killed in the middle of a job, and then Redis."""
    for restart in (gateway_again, redis_again):
        await bench.story(await bench.submit("first"))
        engine = bench.engine
        engine.hold.clear()
        engine.stepped.clear()
        job_id = await bench.submit("first", count=3)
        await until(engine.stepped.is_set)
        restart(gateway)
        engine.hold.set()
        last = (await bench.story(job_id))[-1]
        assert isinstance(last.event, Completed)


def gateway_again(gateway: Gateway) -> None:
    gateway.kill()
    gateway.start()


def redis_again(gateway: Gateway) -> None:
    gateway.redis.stop()
    gateway.redis.start()


async def test_a_gateway_keeps_house_where_the_server_has_no_worker(gateway: Gateway) -> None:
    folder = gateway.data_dir / "blobs"
    blob_id = LocalBlobs(folder).put(b"needed by no job any more")
    gateway.client.rpush(keys.GARBAGE, blob_id)
    await until(lambda: not (folder / blob_id).exists())


async def test_settings_that_must_agree_end_sessions_when_they_change(
    gateway: Gateway, key: JoinKey, tmp_path: Path
) -> None:
    """The worker joins anew, with those of the server: what it wrote with others would be refused for ever."""
    before = gateway.joined(key, tmp_path)
    gateway.kill()
    gateway.start(RESULT_TTL="777")
    with connection(before.redis_address) as client, pytest.raises(AuthenticationError):
        client.ping()
    assert gateway.joined(key, tmp_path).result_ttl == 777
    gateway_again(gateway)
    with connection(before.redis_address) as client:
        assert client.ping()


async def test_a_revoked_key_ends_the_worker_and_its_jobs_go_back(
    bench: Bench, gateway: Gateway, key: JoinKey
) -> None:
    await bench.story(await bench.submit("first"))
    bench.engine.hold.clear()
    bench.engine.stepped.clear()
    job_id = await bench.submit("first", count=3)
    await until(bench.engine.stepped.is_set)
    gateway.revoke(key)
    await until(lambda: job_id in waiting(gateway.client))
    assert not gateway.client.hexists(keys.job(job_id), "mlxq_suspect")
    await until(lambda: bench.host.asked == REFUSED)
    bench.engine.hold.set()
    # What it says afterwards reaches nobody.
    assert gateway.client.hget(keys.job(job_id), "status") == b"queued"
    await bench.client.cancel(job_id)


@pytest.mark.parametrize("crashed", [False, True], ids=["silent", "gone"])
async def test_who_is_silent_is_not_suspected_and_who_has_crashed_is(
    gateway: Gateway, client: JobClient, tmp_path: Path, crashed: bool
) -> None:
    joined = gateway.joined(gateway.key(), tmp_path)
    name = session_of(joined).worker
    async with async_connection(gateway.redis.url) as redis:
        asked = request()
        await AsyncGate(redis, TTL).admit(asked, 10)
    with connection(joined.redis_address) as link:
        gate = Gate(link, "llm", f"{name}.llm", TTL)
        (job_id,) = gate.take(1) or [""]
        assert job_id == asked.id
        assert gate.claim([(job_id, uuid.uuid4().hex)])
        await until(lambda: gateway.client.zscore(keys.JOINED, name))
        if crashed:
            link.connection_pool.disconnect()
            await until(lambda: gateway.client.zscore(keys.JOINED, name) is None)
        # Its lease has ended.
        leases: Any = gateway.client.zrange(keys.started("llm"), 0, -1)
        gateway.client.zadd(keys.started("llm"), dict.fromkeys(leases, 1))
        await until(lambda: job_id in waiting(gateway.client))
    assert gateway.client.hexists(keys.job(job_id), "mlxq_suspect") == crashed
    assert gateway.client.hexists(keys.job(job_id), "mlxq_crashes") == crashed
    await client.cancel(job_id)


@pytest.mark.slow
def test_one_command_makes_a_mac_a_worker(
    gateway: Gateway, models: Path, tmp_path: Path, api_url: Callable[..., str]
) -> None:
    """The real worker as a process of its own, from joining to being sent away."""
    key = gateway.key("laptop")
    address = api_url(join_port=gateway.port, model_roots=(models,), llm_model="first")
    environment = {
        **{name: value for name, value in os.environ.items() if name.startswith("PY")},
        "MLXQ_DATA_DIR": str(tmp_path),
        "MODEL_ROOTS": str(models),
        "LLM_MODEL": str(models / "first"),
        "AUTO_DOWNLOAD": "0",
    }
    command = [sys.executable, "-m", "mlxq", "worker", "--join", address, "--key", str(key)]
    program = Program(command, environment)
    try:
        program.line("ready:")
        body = {"model": "first", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 3}
        answer = httpx.post(f"{address}/v1/chat/completions", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        assert answer.json()["usage"]["completion_tokens"] == 3
        # Nobody else can say this of its model.
        counted = httpx.post(f"{address}/v1/messages/count_tokens", json=body, timeout=60)
        assert counted.status_code == 200, counted.text
        listed = Program([sys.executable, "-m", "mlxq", "workers", "--url", address], environment)
        assert key.id in listed.line("first")
        assert listed.wait() == 0
        gateway.revoke(key)
        program.line("can't join: The key is not valid here, or it was revoked")
        assert program.wait() == 2
        assert not [line for line in program.said if "NoPermission" in line]
    finally:
        program.kill_tree()
