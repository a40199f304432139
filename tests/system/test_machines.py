"""Models of several machines: the API lists, resolves and deletes what the workers have."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from config.settings import Settings
from jobs import keys
from mlxq.testing import in_process_worker
from tests.program import Program
from tests.support.api_server import ApiServer
from tests.support.checkpoints import random_qwen3

HELLO = [{"role": "user", "content": "hello"}]
MakeSettings = Callable[[str], Settings]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_qwen3(tmp_path_factory.mktemp("tiny") / "tiny", seed=1, context=512)


@pytest.fixture
def machine(redis_url: str, clean_redis: redis.Redis, tmp_path: Path) -> MakeSettings:
    """The settings of a machine with a root and a data folder of its own."""

    def make(name: str) -> Settings:
        root = tmp_path / name / "models"
        root.mkdir(parents=True, exist_ok=True)
        return Settings(
            redis_url=redis_url,
            model_roots=(root,),
            hub_cache=tmp_path / name / "hub",
            data_dir=tmp_path / name / "data",
            llm_model="no-such-model",
            # Else the one that comes along.
            image_model="no-such-model",
            auto_download=False,
        )

    return make


@pytest.fixture
def front(machine: MakeSettings) -> Iterator[httpx.Client]:
    """The API of a machine without models."""
    with (
        ApiServer(machine("front")) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        yield client


def put(settings: Settings, name: str, checkpoint: Path) -> Path:
    folder = settings.model_roots[0] / name
    shutil.copytree(checkpoint, folder)
    return folder


def listed(front: httpx.Client) -> list[str]:
    return sorted(row["id"] for row in front.get("/v1/models").raise_for_status().json()["data"])


def chat(front: httpx.Client, model: str) -> httpx.Response:
    body = {"model": model, "messages": HELLO, "max_tokens": 2}
    return front.post("/v1/chat/completions", json=body)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_models_of_a_worker_are_those_of_the_api(
    front: httpx.Client, machine: MakeSettings, checkpoint: Path, clean_redis: redis.Redis
) -> None:
    there = machine("there")
    folder = put(there, "org/tiny", checkpoint)
    assert chat(front, "tiny").status_code == 404
    with in_process_worker(there):
        wait_until(lambda: listed(front) == ["org/tiny"])
        for name in ("tiny", "org/tiny", str(folder)):
            answer = chat(front, name)
            assert answer.status_code == 200, answer.text
        details = front.get("/v1/models/tiny").json()
        assert (details["context_length"], details["metadata"]["model_type"]) == (512, "qwen3")
        assert details["size_bytes"] == sum(file.stat().st_size for file in folder.iterdir())
        assert str(folder) not in front.get("/v1/models/tiny").text

        # What is copied into its root is found within the request, listed or asked for.
        put(there, "second", checkpoint)
        assert chat(front, "second").status_code == 200
        put(there, "third", checkpoint)
        assert listed(front) == ["org/tiny", "second", "third"]

        assert front.delete("/v1/models/second").status_code == 200
        assert not (there.model_roots[0] / "second").exists()
        assert listed(front) == ["org/tiny", "third"]
        assert front.delete("/v1/models/second").status_code == 404
        body = front.delete("/v1/models/third", params={"remove_files": False}).json()
        assert body["removed_files"] is False
        assert (listed(front), (there.model_roots[0] / "third").is_dir()) == (["org/tiny"], True)
        again = front.post("/v1/models/install", json={"model_id": "third"}).json()
        assert again["status"] == "already_installed"
        assert listed(front) == ["org/tiny", "third"]

        named = front.post("/v1/models/install", json={"model_id": "org/tiny", "name": "mine"}).json()
        assert named["model_name"] == "mine"
        taken = front.post("/v1/models/install", json={"model_id": "third", "name": "mine"})
        assert taken.status_code == 409
        with ApiServer(machine("another")) as other:
            assert httpx.get(f"{other.url}/v1/models/mine").json()["id"] == "org/tiny"
        assert chat(front, "mine").status_code == 200
    # It has ended, and with it its models.
    wait_until(lambda: listed(front) == [])
    assert chat(front, "tiny").status_code == 404
    assert clean_redis.keys(keys.inventory("*")) == []


def test_two_workers_have_what_either_has(
    front: httpx.Client, machine: MakeSettings, checkpoint: Path
) -> None:
    one, two = machine("one"), machine("two")
    put(one, "shared", checkpoint)
    put(one, "only-one", checkpoint)
    put(two, "shared", checkpoint)
    put(two, "only-two", checkpoint)
    with ExitStack() as workers:
        workers.enter_context(in_process_worker(one))
        second = workers.enter_context(ExitStack())
        second.enter_context(in_process_worker(two))
        wait_until(lambda: listed(front) == ["only-one", "only-two", "shared"])
        assert front.delete("/v1/models/shared").status_code == 200
        assert listed(front) == ["only-one", "only-two"]
        assert not any((each.model_roots[0] / "shared").exists() for each in (one, two))
        second.close()
        wait_until(lambda: listed(front) == ["only-one"])


def test_the_models_of_a_worker_that_dies_vanish_with_its_leases(
    front: httpx.Client, machine: MakeSettings, checkpoint: Path, clean_redis: redis.Redis
) -> None:
    there = machine("there")
    put(there, "tiny", checkpoint)
    environment = {
        "REDIS_URL": there.redis_url,
        "MODEL_ROOTS": str(there.model_roots[0]),
        "MLXQ_DATA_DIR": str(there.data_dir),
        "LLM_MODEL": "tiny",
        "AUTO_DOWNLOAD": "0",
    }
    worker = Program([sys.executable, "-m", "worker"], environment)
    try:
        worker.line("ready:")
        wait_until(lambda: listed(front) == ["tiny"])
    finally:
        worker.kill()
    wait_until(lambda: listed(front) == [])
    assert clean_redis.keys(keys.inventory("*")) == []


def test_what_no_worker_wrote_is_ignored(
    front: httpx.Client, machine: MakeSettings, checkpoint: Path, clean_redis: redis.Redis
) -> None:
    there = machine("there")
    put(there, "tiny", checkpoint)
    with in_process_worker(there) as worker:
        wait_until(lambda: listed(front) == ["tiny"])
        junk: Any = {"a": b"\xff", "b": "{}", "c": '{"id": 3}', "d": "[" * 100_000}
        clean_redis.hset(keys.inventory(worker.name), mapping=junk)
        put(there, "other", checkpoint)
        assert listed(front) == ["other", "tiny"]
        clean_redis.publish(keys.COMMANDS, 'order {"verb": "delete everything"}')
        assert chat(front, "tiny").status_code == 200
        # Redis has lost all: the worker writes it again.
        clean_redis.delete(keys.inventory(worker.name))
        wait_until(lambda: listed(front) == ["other", "tiny"])
