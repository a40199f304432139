"""Several workers: a model is loaded where it is asked for, and chats stay where they have been read."""

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from config.settings import Settings
from jobs import keys
from jobs.commands import ORDER
from mlxq.testing import in_process_worker
from tests.support.api_server import ApiServer
from tests.support.checkpoints import random_qwen3
from worker.host import WorkerHost

CHATS, TURNS = 20, 4


@pytest.fixture
def settings(redis_url: str, clean_redis: redis.Redis, tmp_path: Path) -> Callable[[str], Settings]:
    """Those of a machine that has the model `tiny`."""
    checkpoint = random_qwen3(tmp_path / "tiny", seed=1, context=2048)

    def make(name: str) -> Settings:
        shutil.copytree(checkpoint, tmp_path / name / "models" / "tiny")
        return Settings(
            redis_url=redis_url,
            model_roots=(tmp_path / name / "models",),
            hub_cache=tmp_path / name / "hub",
            data_dir=tmp_path / name / "data",
            llm_model="no-such-model",
            image_model="no-such-model",
            auto_download=False,
        )

    return make


@pytest.fixture
def workers(settings: Callable[[str], Settings]) -> Iterator[list[WorkerHost]]:
    with ExitStack() as stack:
        yield [stack.enter_context(in_process_worker(settings(name))) for name in ("one", "two", "three")]


@pytest.fixture
def http(workers: list[WorkerHost], settings: Callable[[str], Settings]) -> Iterator[httpx.Client]:
    """The API, when all workers have published what they have."""
    with ApiServer(settings("front")) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        wait_until(lambda: sum("tiny" in row["installed"] for row in rows(http)) == len(workers))
        yield http


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def rows(http: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get("/v1/workers").raise_for_status().json()["data"]
    return found


def loaded(http: httpx.Client) -> dict[str, list[str]]:
    """The models in the memory of each worker."""
    return {row["id"]: [model["id"] for model in row["models"]] for row in rows(http)}


def test_models_are_loaded_and_unloaded_where_that_is_asked_for(
    http: httpx.Client, workers: list[WorkerHost], tmp_path: Path, clean_redis: redis.Redis
) -> None:
    one, two, three = (worker.name for worker in workers)

    def change(verb: str, **fields: Any) -> list[tuple[str, str]]:
        answer = http.post(f"/v1/models/{verb}", json=fields)
        assert answer.status_code == 200, answer.text
        return sorted((row["worker"], row["status"]) for row in answer.json()["workers"])

    assert change("load", model="tiny", worker=two) == [(two, "loaded")]
    assert loaded(http) == {one: [], two: ["tiny"], three: []}
    # Who names no worker means the one that it fits best: it is there already.
    assert change("load", model="tiny") == [(two, "loaded")]

    chat = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}
    answer = http.post("/v1/chat/completions", json=chat).raise_for_status()
    assert http.get(f"/v1/jobs/{answer.json()['id']}").json()["worker"] == two
    assert loaded(http) == {one: [], two: ["tiny"], three: []}

    assert change("unload", model_type="llm", worker=one) == [(one, "empty")]
    assert loaded(http)[two] == ["tiny"]
    assert change("load", model="tiny", worker="all")
    wait_until(lambda: loaded(http) == {one: ["tiny"], two: ["tiny"], three: ["tiny"]})
    answer = http.post("/v1/models/tiny/unload", params={"worker": three})
    assert answer.json()["workers"] == [{"worker": three, "model": "tiny", "status": "unloaded"}]
    assert loaded(http) == {one: ["tiny"], two: ["tiny"], three: []}

    (row,) = [row for row in rows(http) if row["id"] == one]
    assert row["memory"]["machine"] > row["memory"]["budget"] > row["memory"]["free"] > 0
    assert (row["status"], row["version"] != "", row["chip"] != "") == ("ready", True, True)

    wrong = http.post("/v1/models/load", json={"model": "tiny", "worker": "nobody"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (404, "worker_not_found")
    unclear = http.post("/v1/models/load", json={"model": "tiny", "worker": row["host"]})
    assert (unclear.status_code, one in unclear.json()["error"]["message"]) == (409, True)

    shutil.rmtree(tmp_path / "three" / "models" / "tiny")
    clean_redis.publish(keys.COMMANDS, f'{ORDER} {{"verb":"look","reply":"{"0" * 16}"}}')
    wait_until(lambda: sum("tiny" in row["installed"] for row in rows(http)) == 2)
    lacking = http.post("/v1/models/load", json={"model": "tiny", "worker": three})
    assert (lacking.status_code, lacking.json()["error"]["code"]) == (404, "model_not_on_worker")
    assert "Put its files into a model root of that machine" in lacking.json()["error"]["message"]


def test_a_worker_of_another_version_is_listed_as_such(http: httpx.Client, clean_redis: redis.Redis) -> None:
    clean_redis.sadd(keys.WORKER_STATES, "laptop.7.abcdef")
    clean_redis.set(keys.worker_state("laptop.7.abcdef"), '{"name": 3}', ex=600)
    (row,) = [row for row in rows(http) if row["id"] == "laptop.7.abcdef"]
    assert (row["status"], row["host"], row["models"], row["memory"]) == ("incompatible", "laptop", [], None)


def told(http: httpx.Client, dialect: str, messages: list[dict[str, str]]) -> tuple[str, int, int]:
    """What is answered, the tokens of the prompt, and those of them that were cached."""
    path, said, most = {
        "chat": ("/v1/chat/completions", "messages", "max_tokens"),
        "messages": ("/v1/messages", "messages", "max_tokens"),
        "responses": ("/v1/responses", "input", "max_output_tokens"),
    }[dialect]
    body = {"model": "tiny", said: messages, most: 4, "temperature": 0}
    answer = http.post(path, json=body).raise_for_status().json()
    usage = answer["usage"]
    match dialect:
        case "chat":
            text = answer["choices"][0]["message"]["content"] or ""
            return text, usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]
        case "messages":
            text = "".join(block.get("text", "") for block in answer["content"])
            cached = usage["cache_read_input_tokens"] or 0
            return text, usage["input_tokens"] + cached, cached
        case _:
            text = "".join(part["text"] for item in answer["output"] for part in item.get("content", ()))
            return text, usage["input_tokens"], usage["input_tokens_details"]["cached_tokens"]


def test_turns_of_twenty_chats_find_what_was_read_before(
    http: httpx.Client, workers: list[WorkerHost]
) -> None:
    """In whatever dialect they are."""
    http.post("/v1/models/load", json={"model": "tiny", "worker": "all"}).raise_for_status()
    wait_until(lambda: list(loaded(http).values()) == [["tiny"]] * len(workers))

    def converse(number: int) -> int:
        dialect = ("chat", "messages", "responses")[number % 3]
        messages = [{"role": "user", "content": f"{number} " * 20 + "is my number."}]
        hits, first = 0, 0
        for turn in range(TURNS):
            text, prompt, cached = told(http, dialect, messages)
            hits += turn > 0 and cached >= 0.8 * first
            first = first or prompt
            messages += [
                {"role": "assistant", "content": text or "?"},
                {"role": "user", "content": f"And {turn}?"},
            ]
        return hits

    with ThreadPoolExecutor(CHATS) as pool:
        hits = sum(pool.map(converse, range(CHATS)))
    assert hits >= 0.9 * CHATS * (TURNS - 1)
