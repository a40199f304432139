"""What the server says of itself, and what it does while Redis or the worker is away."""

import contextlib
import threading

import httpx
import openai

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
            assert http.post("/v1/chat/completions", json=chat("back")).status_code == 200
            assert http.get("/health").status_code == 200


def test_an_answer_survives_the_loss_of_redis(
    make_settings: MakeSettings, redis_server: PrivateRedis
) -> None:
    restarted = threading.Event()

    def play(run: Run) -> None:
        run.say("before ")
        assert restarted.wait(20)
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
