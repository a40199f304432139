"""What the server says of itself, and what it does while Redis or the worker is away."""

import contextlib
import platform
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import psutil
import pytest
import redis
from starlette.testclient import TestClient

from api.app import create_app
from jobs.keys import WORKER_STATES, worker_state
from jobs.worker_state import Device, MlxMemory, WorkerState
from mlxq.cli.server import Server
from mlxq.cli.workers import workers
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.private_redis import PrivateRedis
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import Run, ScriptedWorker


def test_the_root_says_what_this_is(http: httpx.Client) -> None:
    body = http.get("/").json()
    assert (body["name"], body["status"]) == ("mlxq", "running")
    assert body["version"]


def test_health_needs_a_worker(http: httpx.Client, worker: ScriptedWorker) -> None:
    answer = http.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})
    worker.vanish()
    answer = http.get("/health")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unhealthy", "redis": "ok", "worker": "lost"}


def test_addresses_are_those_that_other_machines_reach(make_settings: MakeSettings) -> None:
    def told(**access: object) -> list[str]:
        with ApiServer(make_settings(port=8123, **access)) as api:
            body = httpx.get(f"{api.url}/v1/addresses").raise_for_status().json()
        assert body["object"] == "list"
        addresses: list[str] = body["addresses"]
        return addresses

    assert told(host="127.0.0.1") == []
    assert told(host="192.0.2.7") == ["http://192.0.2.7:8123/"]
    assert told(host="::1", public_url="https://ai.example/mlxq") == ["https://ai.example/mlxq/"]
    everywhere = told(host="0.0.0.0")
    assert "http://127.0.0.1:8123/" not in everywhere
    assert all(address.endswith(":8123/") for address in everywhere)


def test_every_response_has_an_id_of_its_own(http: httpx.Client) -> None:
    ids = {http.get(path).headers["x-request-id"] for path in ("/", "/nix", "/health", "/v1/models")}
    assert len(ids) == 4


def test_without_redis_the_server_says_so_and_comes_back(
    make_settings: MakeSettings, redis_server: PrivateRedis
) -> None:
    redis_server.kill()
    with contextlib.ExitStack() as stack:
        api = stack.enter_context(ApiServer(make_settings(redis_url=redis_server.url)))
        http = stack.enter_context(httpx.Client(base_url=api.url, timeout=30))
        health = http.get("/health")
        assert health.status_code == 503
        assert health.json() == {"status": "unhealthy", "redis": "lost", "worker": "unknown"}
        for path in ("/v1/jobs/any", "/v1/models", "/v1/queue/stats"):
            answer = http.get(path)
            assert answer.status_code == 503
            assert 1 <= int(answer.headers["retry-after"]) <= 120
        for body in (chat(), chat(stream=True)):
            answer = http.post("/v1/chat/completions", json=body)
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "service_unavailable"
        redis_server.start()
        with ScriptedWorker(redis_server.url):
            deadline = time.monotonic() + 60
            while http.get("/health").status_code == 503:
                assert time.monotonic() < deadline, "it does not come back"
            assert http.post("/v1/chat/completions", json=chat("back")).status_code == 200


def test_a_crowd_waits_while_redis_is_busy(make_settings: MakeSettings, redis_server: PrivateRedis) -> None:
    """More requests than connections, each of them held up: none is told that Redis is gone."""
    with contextlib.ExitStack() as stack:
        api = stack.enter_context(ApiServer(make_settings(redis_url=redis_server.url)))
        stack.enter_context(ScriptedWorker(redis_server.url))
        http = stack.enter_context(httpx.Client(base_url=api.url, timeout=30))
        http.post("/v1/chat/completions", json=chat()).raise_for_status()
        pool = stack.enter_context(ThreadPoolExecutor(20))
        with redis.Redis.from_url(redis_server.url) as connection:
            connection.client_pause(3000)
        answers = pool.map(
            lambda n: http.post("/v1/chat/completions", json=chat(f"{n}")).status_code, range(20)
        )
        assert set(answers) == {200}


def test_an_answer_survives_the_loss_of_redis(
    make_settings: MakeSettings, redis_server: PrivateRedis
) -> None:
    restarted = threading.Event()

    def play(run: Run) -> None:
        run.say("before ")
        assert restarted.wait(60)
        run.say("after")
        run.complete("before after")

    with contextlib.ExitStack() as stack:
        api = stack.enter_context(ApiServer(make_settings(redis_url=redis_server.url)))
        sdk = stack.enter_context(openai.OpenAI(base_url=f"{api.url}/v1", api_key="any", max_retries=0))
        worker = stack.enter_context(ScriptedWorker(redis_server.url))
        worker.play(play)
        words = (c.choices[0].delta.content or "" for c in sdk.chat.completions.create(**chat(), stream=True))
        heard = ""
        while heard != "before ":
            heard += next(words)
        worker.pause()
        redis_server.stop()
        redis_server.start()
        restarted.set()
        assert heard + "".join(words) == "before after"
        worker.resume()


def test_the_status_has_every_key_of_mlx_guis(http: httpx.Client, worker: ScriptedWorker) -> None:
    gigabyte = 1024**3
    worker.announce(model="tiny", state="loaded", memory_bytes=2 * gigabyte)
    body = http.get("/v1/system/status").raise_for_status().json()
    assert body.keys() == {"status", "system", "model_manager", "mlx_compatible"}
    assert (body["status"], body["mlx_compatible"]) == ("running", True)
    system = body["system"]
    assert system.keys() == {
        "platform",
        "architecture",
        "processor",
        "is_apple_silicon",
        "mlx_compatible",
        "memory",
        "gpu_memory",
    }
    assert (system["platform"], system["architecture"]) == (platform.system(), platform.machine())
    assert system["processor"]
    memory = system["memory"]
    assert memory["total_gb"] == round(psutil.virtual_memory().total / gigabyte, 2)
    assert 0 < memory["available_gb"] <= memory["total_gb"]
    assert memory["used_gb"] == pytest.approx(memory["total_gb"] - memory["available_gb"], abs=0.02)
    assert 0 < memory["percent_used"] <= 100
    assert system["gpu_memory"] == {"total_gb": 8.0, "available_gb": 8.0, "device_name": "Apple M2 Pro"}
    manager = body["model_manager"]
    share = manager.pop("memory_usage_percent")
    assert share == pytest.approx(100 * 2 / memory["total_gb"], abs=0.1)
    assert manager == {
        "loaded_models_count": 1,
        "max_concurrent_models": 3,
        "queue_size": 0,
        "total_model_memory_gb": 2.0,
        "max_tokens_limit": 16384,
        "auto_unload_enabled": True,
        "inactivity_timeout_minutes": 30,
    }


def test_the_memory_of_the_gpu_is_that_of_one_machine(
    http: httpx.Client, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    def join(name: str, host: str, chip: str, total: int, active: int) -> None:
        device = Device(mlx=True, gpu=True, name=chip, memory_bytes=total << 30)
        state = WorkerState(name=name, host=host, memory=MlxMemory(active=active << 30), device=device)
        clean_redis.sadd(WORKER_STATES, name)
        clean_redis.set(worker_state(name), state.encode())

    join("far", "studio", "Apple M2 Ultra", 96, 60)
    join("near", socket.gethostname(), "Apple M4", 16, 4)
    told = http.get("/v1/system/status").raise_for_status().json()["system"]["gpu_memory"]
    assert told == {"total_gb": 16.0, "available_gb": 12.0, "device_name": "Apple M4"}


def test_the_terminal_lists_workers_and_how_their_models_are(
    http: httpx.Client,
    worker: ScriptedWorker,
    make_settings: MakeSettings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Server(make_settings(), str(http.base_url)) as server:
        for state, told in (("loaded", "tiny"), ("error", "tiny (error)")):
            worker.announce(model="tiny", state=state)
            workers(server)
            assert f" {told}" in capsys.readouterr().out


def test_the_status_follows_settings_and_the_queue(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()
    http.put("/v1/settings/model_inactivity_timeout_minutes", json={"value": 5}).raise_for_status()
    http.put("/v1/settings/auto_unload_inactive_models", json={"value": False}).raise_for_status()
    http.post("/v1/chat/completions", json=chat(), headers={"prefer": "respond-async"})
    manager = http.get("/v1/system/status").json()["model_manager"]
    assert (manager["inactivity_timeout_minutes"], manager["auto_unload_enabled"]) == (5, False)
    assert manager["queue_size"] == 1
    worker.resume()


@pytest.mark.parametrize("verb", ["shutdown", "restart"])
def test_only_the_owner_ends_the_server(
    make_settings: MakeSettings, worker: ScriptedWorker, verb: str
) -> None:
    """Who it is by origin, address and key. A server inside another program does not end that."""
    path = f"/v1/system/{verb}"
    with TestClient(create_app(make_settings())) as inside:
        assert inside.post(path).status_code == 501
    ended: list[bool] = []
    for keys, address, headers, status in (
        ("", "127.0.0.1", {}, 200),
        ("", "::1", {}, 200),
        ("", "127.0.0.1", {"origin": "https://evil.com"}, 403),
        ("", "192.168.1.7", {}, 403),
        ("secret", "192.168.1.7", {}, 401),
        ("secret", "192.168.1.7", {"x-api-key": "secret"}, 200),
    ):
        app = create_app(make_settings(api_keys=keys, allowed_hosts="*"))
        app.state.halt = ended.append
        before = len(ended)
        with TestClient(app, client=(address, 1234)) as client:
            answer = client.post(path, headers=headers)
        assert answer.status_code == status, (keys, address, headers)
        assert len(ended) - before == (status == 200)
    assert set(ended) == {verb == "restart"}


def test_health_says_what_the_redis_user_may_not_do(
    make_settings: MakeSettings, redis_url: str, clean_redis: redis.Redis
) -> None:
    rights = ("reset", "on", ">secret", "~*", "&*", "+@all", "-blmove", "-evalsha")
    clean_redis.execute_command("ACL", "SETUSER", "careful", *rights)  # type: ignore[no-untyped-call]
    try:
        settings = make_settings(redis_url=redis_url.replace("unix://", "unix://careful:secret@"))
        with ApiServer(settings) as server, httpx.Client(base_url=server.url, timeout=30) as http:
            health = http.get("/health")
            assert (health.status_code, health.json()["redis"]) == (503, "denied")
            assert "BLMOVE, EVALSHA" in health.json()["reason"]
            body = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}
            refused = http.post("/v1/chat/completions", json=body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "service_unavailable")
            assert "permission" in refused.json()["error"]["message"]
    finally:
        clean_redis.execute_command("ACL", "DELUSER", "careful")  # type: ignore[no-untyped-call]
