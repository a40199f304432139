"""Real models under pressure, through HTTP: memory runs out, two models are wanted in turns, prompts are forgotten.

The API and the worker run in this process, so that errors of Metal can be injected and loads be counted.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import mlx.core as mx
import pytest

from config.settings import Settings
from jobs.kinds import Category
from mlxq.catalog import ModelRef
from tests.private_redis import PrivateRedis
from tests.support.api_server import ApiServer
from tests.support.checkpoints import random_qwen3
from tests.support.encoders import random_encoder
from worker.engines import ENGINES, Loader
from worker.engines.base import CachingEngine, Engine, Output
from worker.host import WorkerHost

#: Seconds that a job lets those for the loaded model pass.
PATIENCE = 5.0
OUT_OF_MEMORY = "[METAL] Command buffer execution failed: metal out of memory"


class Failing:
    """An engine whose steps raise what stands in `failures`, and then do what they should."""

    def __init__(self, engine: Engine[Any], failures: list[Exception]) -> None:
        self._engine = engine
        self._failures = failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def step(self) -> list[Output]:
        if self._failures:
            raise self._failures.pop()
        return self._engine.step()


class Server:
    """API and worker. `loads` are the models that were loaded, `failures` what steps of vectors raise next."""

    def __init__(self, settings: Settings) -> None:
        self.loads: list[str] = []
        self.failures: list[Exception] = []
        loaders = {
            Category.LLM: self._counted(ENGINES[Category.LLM]),
            Category.EMBEDDING: self._counted(self._failing),
        }
        self.host = WorkerHost(settings, loaders)
        self.api = ApiServer(settings)

    def _counted(self, loader: Loader) -> Loader:
        def load(ref: ModelRef, settings: Settings) -> Engine[Any]:
            self.loads.append(ref.id)
            return loader(ref, settings)

        return load

    def _failing(self, ref: ModelRef, settings: Settings) -> Engine[Any]:
        failing: Any = Failing(ENGINES[Category.EMBEDDING](ref, settings), self.failures)
        engine: Engine[Any] = failing
        return engine


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "first", seed=1, context=100_000)
    random_qwen3(root / "second", seed=2)
    random_encoder(root / "vectors", seed=3)
    own = PrivateRedis()
    own.start()
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        redis_url=own.url,
        model_roots=(root,),
        llm_model="first",
        embedding_model="vectors",
        switch_patience=PATIENCE,
        queue_limit=100,
        linger_time=0,
        auto_download=False,
    )
    server = Server(settings)
    server.host.start()
    with server.api:
        yield server
    server.host.drain()
    own.remove()


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    server.failures.clear()
    with httpx.Client(base_url=server.api.url, timeout=60) as client:
        yield client


class Chat:
    """A long chat that goes on while other things happen, and after them; then its client leaves."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._spoke = threading.Semaphore(0)
        self._left = threading.Event()
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        body = {
            "model": "first",
            "messages": [{"role": "user", "content": "Go on."}],
            "max_tokens": 50_000,
            "ignore_eos": True,
            "stream": True,
        }
        with self._http.stream("POST", "/v1/chat/completions", json=body) as answer:
            for line in answer.iter_lines():
                if line.startswith(("data: [DONE]", 'data: {"error"')):
                    self._problem = line
                if line.startswith("data: "):
                    self._spoke.release()
                if self._left.is_set():
                    return

    def __enter__(self) -> "Chat":
        self._thread.start()
        assert self._spoke.acquire(timeout=60)
        return self

    def __exit__(self, *_: object) -> None:
        while self._spoke.acquire(blocking=False):
            pass
        assert self._spoke.acquire(timeout=60), "it says nothing any more"
        self._left.set()
        self._thread.join(60)
        assert self._problem is None


def vectors(http: httpx.Client) -> httpx.Response:
    return http.post("/v1/embeddings", json={"model": "vectors", "input": "Hello."})


def test_a_request_outlives_metal_running_out_twice_and_a_chat_never_feels_it(
    http: httpx.Client, server: Server
) -> None:
    usual = vectors(http).raise_for_status().json()["data"]
    with Chat(http):
        server.failures += [RuntimeError(OUT_OF_MEMORY) for _ in range(2)]
        answer = vectors(http)
    assert (answer.status_code, answer.json()["data"]) == (200, usual)
    assert server.failures == []
    assert http.get(f"/v1/jobs/{answer.headers['x-request-id']}").json()["attempts"] == 3


def test_four_times_are_an_error_and_a_failed_job(http: httpx.Client, server: Server) -> None:
    with Chat(http):
        server.failures += [RuntimeError(OUT_OF_MEMORY) for _ in range(4)]
        answer = vectors(http)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "out_of_memory")
    job = http.get(f"/v1/jobs/{answer.headers['x-request-id']}").json()
    assert (job["status"], job["error"]["code"]) == ("failed", "out_of_memory")
    assert vectors(http).status_code == 200


def test_forty_requests_for_two_models_in_turns_load_each_once(http: httpx.Client, server: Server) -> None:
    body = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 8, "ignore_eos": True}
    before = len(server.loads)
    jobs = [
        http.post(
            "/v1/chat/completions", json={**body, "model": model}, headers={"prefer": "respond-async"}
        ).json()["id"]
        for _ in range(20)
        for model in ("first", "second")
    ]
    done = [http.get(f"/v1/jobs/{job}?wait=50").json() for job in jobs]
    assert {(job["status"], job["result"]["model"]) for job in done} == {
        ("completed", "first"),
        ("completed", "second"),
    }
    loads = [server.loads[before:].count(model) for model in ("first", "second")]
    assert max(loads) <= 1, "memory holds both"


def test_two_programs_that_wait_for_their_answers_rarely_switch_where_memory_holds_one(
    http: httpx.Client, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    http.post("/v1/models/unload", json={"model_type": "llm"}).raise_for_status()
    http.post("/v1/models/load", json={"model": "first"}).raise_for_status()
    (engine,) = engines(server, Category.LLM)
    # They are of one size.
    budget = mx.get_active_memory() + 9 * engine.memory_bytes // 10
    monkeypatch.setattr(server.host.memory, "_budget", budget)
    before = len(server.loads)

    def program(model: str) -> list[int]:
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
        return [http.post("/v1/chat/completions", json=body).status_code for _ in range(10)]

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(program, ("first", "second")))
    assert answers == [[200] * 10] * 2
    assert len(server.loads) - before <= 6


def engines(server: Server, category: Category) -> list[Engine[Any]]:
    """Those in memory."""
    return [lane.slot.engine for lane in server.host.lanes[category].lanes if lane.slot.engine is not None]


def test_a_switch_never_holds_two_models(
    http: httpx.Client, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    http.post("/v1/models/unload", json={"model_type": "llm"}).raise_for_status()
    http.post("/v1/models/load", json={"model": "first"}).raise_for_status()
    (engine,) = engines(server, Category.LLM)
    with_one = mx.get_active_memory()
    # They are of one size.
    monkeypatch.setattr(server.host.memory, "_budget", with_one + engine.memory_bytes // 2)
    mx.reset_peak_memory()
    http.post("/v1/models/load", json={"model": "second"}).raise_for_status()
    assert len(engines(server, Category.LLM)) == 1
    assert mx.get_peak_memory() < with_one + 0.5 * engine.memory_bytes


def test_prompts_are_forgotten_when_memory_is_needed(http: httpx.Client, server: Server) -> None:
    body = {
        "model": "first",
        "messages": [{"role": "user", "content": "A long story. " * 20}],
        "max_tokens": 2,
    }

    def cached() -> int:
        usage = http.post("/v1/chat/completions", json=body).raise_for_status().json()["usage"]
        return int(usage["prompt_tokens_details"]["cached_tokens"])

    cached()
    assert cached() > 100
    (lane,) = [lane for lane in server.host.lanes[Category.LLM].lanes if lane.model == "first"]
    assert isinstance(lane.slot.engine, CachingEngine)
    assert lane.occupant.cache_bytes > 0
    with Chat(http):
        server.host.memory.relieve(server.host.lanes[Category.EMBEDDING].lanes[0].occupant)
    assert cached() == 0


@pytest.mark.parametrize(
    ("path", "body", "category"),
    [
        ("/v1/embeddings", {"model": "vectors", "input": "Hello."}, Category.EMBEDDING),
        ("/v1/models/first/generate", {"prompt": "Hello", "max_tokens": 2}, Category.LLM),
    ],
)
def test_every_kind_of_request_says_how_long_its_model_stays(
    http: httpx.Client,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    body: dict[str, Any],
    category: Category,
) -> None:
    http.post("/v1/models/load", json={"model": "first"}).raise_for_status()
    model = {Category.LLM: "first", Category.EMBEDDING: "vectors"}[category]
    (lane,) = [lane for lane in server.host.lanes[category].lanes if lane.model == model]
    for said, seconds in (("5m", 300), (None, 300), (-1, -1)):
        asked = body if said is None else {**body, "keep_alive": said}
        http.post(path, json=asked).raise_for_status()
        assert lane.occupant.keep == seconds
    engine, gone = lane.slot.engine, threading.Event()
    assert engine is not None
    close = engine.close

    def closing() -> None:
        close()
        gone.set()

    monkeypatch.setattr(engine, "close", closing)
    http.post(path, json={**body, "keep_alive": 0}).raise_for_status()
    assert gone.wait(60)
