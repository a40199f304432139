"""MLX-GUI's own view: `/v1/manager`, and loading, health and details by a model's name. Every JSON of its pages."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from jobs import keys
from mlxq.catalog.records import Records
from tests.api.conftest import MakeSettings, put_model
from tests.api.requests import chat
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import Run, ScriptedWorker

SINCE = "2025-01-04T09:15:00.123456+00:00"


@pytest.fixture
def held(worker: ScriptedWorker) -> ScriptedWorker:
    """`tiny` is loaded."""
    worker.announce(model="tiny", state="loaded", memory_bytes=int(8.5 * 1024**3), loaded_at=SINCE)
    return worker


def get(http: httpx.Client, path: str) -> Any:
    return http.get(path).raise_for_status().json()


def test_rows_are_mlx_guis_and_numbers_stay(
    http: httpx.Client, held: ScriptedWorker, model_root: Path
) -> None:
    (tiny, other) = get(http, "/v1/manager/models")["models"]
    assert tiny == {
        "id": tiny["id"],
        "name": "tiny",
        "type": "text",
        "status": "loaded",
        "memory_required_gb": 8.5,
        "use_count": 0,
        "last_used_at": None,
        "created_at": tiny["created_at"],
        "huggingface_id": None,
        "author": None,
    }
    assert (other["name"], other["status"], other["memory_required_gb"]) == ("org/other", "unloaded", 0.0)
    assert (other["huggingface_id"], other["author"]) == ("org/other", "org")
    put_model(model_root, "aaa")
    numbers = {row["name"]: row["id"] for row in get(http, "/v1/models")["models"]}
    assert numbers == {"tiny": tiny["id"], "org/other": other["id"], "aaa": 3}


def test_uses_are_counted(http: httpx.Client, held: ScriptedWorker) -> None:
    for _ in range(2):
        http.post("/v1/chat/completions", json=chat() | {"model": "tiny"}).raise_for_status()
    http.post("/v1/models/tiny/load").raise_for_status()
    row = get(http, "/v1/manager/models")["models"][0]
    assert row["use_count"] == get(http, "/v1/models/tiny")["use_count"] == 2
    assert row["last_used_at"] is not None
    assert get(http, "/v1/models/tiny/health")["last_used"] == row["last_used_at"]
    assert get(http, "/v1/models/org/other")["use_count"] == 0


def test_details(http: httpx.Client, held: ScriptedWorker, model_root: Path) -> None:
    answer = http.get("/v1/models/tiny")
    body = answer.json()
    assert (body["name"], body["path"], body["version"], body["type"]) == ("tiny", "tiny", None, "llm")
    assert (body["status"], body["memory_required_gb"], body["error_message"]) == ("loaded", 8.5, None)
    assert body["size_bytes"] > 1000
    assert body.keys() >= {"use_count", "last_used_at", "created_at", "updated_at", "metadata", "number"}
    assert str(model_root) not in answer.text


def test_health(http: httpx.Client, held: ScriptedWorker) -> None:
    assert get(http, "/v1/models/tiny/health") == {
        "model": "tiny",
        "status": "loaded",
        "healthy": True,
        "last_used": None,
    }
    other = get(http, "/v1/models/org%2Fother/health")
    assert (other["status"], other["healthy"]) == ("unloaded", False)


def test_load_and_unload_by_name(http: httpx.Client, held: ScriptedWorker) -> None:
    answer = http.post("/v1/models/other/load?priority=5").json()
    assert (answer["message"], answer["status"]) == ("Model 'other' loaded successfully", "loaded")
    assert (answer["model"], answer["model_type"]) == ("org/other", "llm")
    answer = http.post("/v1/models/tiny/unload").json()
    assert (answer["message"], answer["status"]) == ("Model 'tiny' unloaded successfully", "unloaded")
    assert [(run.claim.kind, run.claim.model) for run in held.runs] == [
        ("load", "org/other"),
        ("unload", "tiny"),
    ]
    answer = http.post("/v1/models/org/other/unload").json()
    assert (answer["message"], answer["status"]) == ("Model 'org/other' was not loaded", "not_loaded")
    assert len(held.runs) == 2


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models/{}"),
        ("GET", "/v1/models/{}/health"),
        ("POST", "/v1/models/{}/load"),
        ("POST", "/v1/models/{}/unload"),
        ("GET", "/v1/manager/models/{}/status"),
        ("POST", "/v1/manager/models/{}/priority"),
    ],
)
def test_unknown_models(http: httpx.Client, worker: ScriptedWorker, method: str, path: str) -> None:
    body = {"priority": 1} if path.endswith("priority") else None
    answer = http.request(method, path.format("nonexistent-model"), json=body)
    assert answer.status_code == 404
    assert answer.json()["detail"] == "Model 'nonexistent-model' not found"
    for name in ("..%2Ftiny", "%2Fetc%2Fpasswd", "%00", "x" * 5000):
        assert http.request(method, path.format(name), json=body).status_code == 404
    assert worker.runs == []


def test_a_model_that_does_not_load_says_why(
    http: httpx.Client, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    worker.announce(model="tiny", state="error", error="The model 'tiny' could not be loaded (ValueError).")
    for _ in range(2):
        assert "ValueError" in get(http, "/v1/models/tiny")["error_message"]
        worker.announce()
        clean_redis.hset(keys.MODEL_ERRORS, "tiny", "It failed with a ValueError.")


def test_manager_status(http: httpx.Client, held: ScriptedWorker) -> None:
    body = get(http, "/v1/manager/status")
    percent = body["system_status"].pop("memory_usage_percent")
    assert percent > 0
    assert body == {
        "loaded_models": {
            "tiny": {
                "loaded_at": "2025-01-04T09:15:00",
                "last_used_at": None,
                "memory_usage_gb": 8.5,
                "config": {"model_type": "text-generation", "estimated_memory_gb": 0.0},
            }
        },
        "system_status": {
            "loaded_models_count": 1,
            "max_concurrent_models": 3,
            "queue_size": 0,
            "total_model_memory_gb": 8.5,
            "max_tokens_limit": 16384,
            "auto_unload_enabled": True,
            "inactivity_timeout_minutes": 30,
        },
        "queue_status": [],
    }


def test_the_state_of_a_model(http: httpx.Client, held: ScriptedWorker) -> None:
    assert get(http, "/v1/manager/models/tiny/status") == {
        "name": "tiny",
        "status": "loaded",
        "loaded": True,
        "loaded_at": "2025-01-04T09:15:00",
        "last_used_at": None,
        "memory_usage_gb": 8.5,
        "queue_position": None,
    }


def test_priority_moves_what_waits(http: httpx.Client, held: ScriptedWorker, model_root: Path) -> None:
    put_model(model_root, "third")

    def positions() -> dict[str, int | None]:
        names = ("tiny", "org/other", "third")
        return {n: get(http, f"/v1/manager/models/{n}/status")["queue_position"] for n in names}

    def enqueue(name: str, query: str = "") -> None:
        answer = http.post(f"/v1/models/{name}/load{query}", headers={"prefer": "respond-async"})
        assert answer.status_code == 202

    held.pause()
    enqueue("tiny")
    enqueue("org/other")
    assert positions() == {"tiny": 1, "org/other": 2, "third": None}
    enqueue("third", "?priority=3")
    assert positions() == {"third": 1, "tiny": 2, "org/other": 3}
    answer = http.post("/v1/manager/models/org/other/priority", json={"priority": 10})
    assert answer.json() == {
        "model": "org/other",
        "priority": 10,
        "message": "Priority update requested",
    }
    assert positions() == {"org/other": 1, "third": 2, "tiny": 3}
    queue = get(http, "/v1/manager/status")
    assert queue["system_status"]["queue_size"] == 3
    assert [(row["model_name"], row["priority"], row["queue_position"]) for row in queue["queue_status"]] == [
        ("org/other", 10, 1),
        ("third", 3, 2),
        ("tiny", 0, 3),
    ]
    done: list[str] = []

    def remember(run: Run) -> None:
        done.append(run.claim.model)
        run.end(result={"model": run.claim.model, "status": "loaded"})

    held.play(remember, remember, remember)
    held.resume()
    for _ in range(3):
        assert held.claimed.acquire(timeout=60)
    for body in ({}, {"priority": "high"}, {"priority": 1.5}, {"priority": 10**9}):
        assert http.post("/v1/manager/models/tiny/priority", json=body).status_code == 400
    assert [run.claim.model for run in held.runs] == ["org/other", "third", "tiny"]


def test_the_name_that_a_user_gave(make_settings: MakeSettings, held: ScriptedWorker, tmp_path: Path) -> None:
    settings = make_settings(data_dir=tmp_path / "data")
    Records(settings.data_dir).change(lambda known: known.named("my-model", "org/other"))
    with ApiServer(settings) as api, httpx.Client(base_url=api.url) as http:
        body = get(http, "/v1/models")
        assert [row["name"] for row in body["models"]] == ["tiny", "my-model"]
        assert [(row["id"], row["root"]) for row in body["data"]][-1] == ("my-model", "org/other")
        row = get(http, "/v1/manager/models")["models"][1]
        assert (row["name"], row["huggingface_id"]) == ("my-model", "org/other")
        assert get(http, "/v1/models/my-model/health")["model"] == "my-model"
        answer = http.post("/v1/models/my-model/load").json()
        assert answer["message"] == "Model 'my-model' loaded successfully"


@pytest.mark.parametrize(
    "path", ["/v1/models/tiny/load", "/v1/models/tiny/unload", "/v1/manager/models/tiny/priority"]
)
def test_pages_of_other_origins_may_not(http: httpx.Client, held: ScriptedWorker, path: str) -> None:
    answer = http.post(path, json={"priority": 1}, headers={"origin": "https://evil.com"})
    assert answer.status_code == 403
    assert held.runs == []


def test_a_model_is_installed_by_its_address(
    make_settings: MakeSettings, held: ScriptedWorker, tmp_path: Path
) -> None:
    settings = make_settings(data_dir=tmp_path, hub_cache=tmp_path / "hub")
    with ApiServer(settings) as api:
        wanted = {"model_id": "https://huggingface.co/org/absent", "background": True}
        job = httpx.post(f"{api.url}/v1/models/install", json=wanted).json()
    assert (job["kind"], job["model"]) == ("download", "org/absent")
