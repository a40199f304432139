"""`/v1/hub`: what of the hub fits this machine, and what is recommended; `/v1/checks`: what is wrong."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import redis

from jobs import keys
from tests.api.conftest import MakeSettings
from tests.support.api_server import ApiServer
from tests.support.hub_listing import HubListing, listed
from tests.support.scripted_worker import ScriptedWorker

GIGA = 1024**3


@pytest.fixture
def hub() -> Iterator[HubListing]:
    with HubListing(
        listed("org/Small-4B-4bit", downloads=9, lastModified="2025-01-01T12:00:00.000Z"),
        listed("org/Huge-700B-4bit", downloads=8),
        listed("org/<img src=x onerror=alert(1)>", downloads=7),
        listed("org/whisper", "automatic-speech-recognition", downloads=6),
        listed("org/other", downloads=5),
    ) as hub:
        yield hub


@pytest.fixture
def http(make_settings: MakeSettings, hub: HubListing, worker: ScriptedWorker) -> Iterator[httpx.Client]:
    with (
        ApiServer(make_settings(hf_endpoint=hub.url)) as server,
        httpx.Client(base_url=server.url, timeout=30) as http,
    ):
        yield http


def rows(http: httpx.Client, path: str, **query: Any) -> dict[str, dict[str, Any]]:
    answer = http.get(path, params=query).raise_for_status().json()
    assert answer["memory_bytes"] == 8 * GIGA, "what the worker's GPU has"
    return {row["id"]: row for row in answer["data"]}


def test_the_hub_is_searched_for_what_fits(http: httpx.Client) -> None:
    found = rows(http, "/v1/hub/models", limit=10)
    assert list(found) == [
        "org/Small-4B-4bit",
        "org/Huge-700B-4bit",
        "org/<img src=x onerror=alert(1)>",
        "org/whisper",
        "org/other",
    ]
    small = found["org/Small-4B-4bit"]
    assert small["size_bytes"] == 2_250_000_000
    assert (small["fits"], small["installed"], small["category"]) == (True, False, "llm")
    assert found["org/Huge-700B-4bit"]["fits"] is False
    assert found["org/whisper"]["fits"] is None
    assert found["org/other"]["installed"] is True
    assert list(rows(http, "/v1/hub/models", category="asr")) == ["org/whisper"]
    assert list(rows(http, "/v1/hub/models", query="huge")) == ["org/Huge-700B-4bit"]


def test_a_model_of_each_category_is_recommended(http: httpx.Client, hub: HubListing) -> None:
    found = rows(http, "/v1/hub/recommended")
    best = [row for row in found.values() if row["best"]]
    assert [row["category"] for row in best] == ["llm", "asr", "tts", "image", "embedding"]
    assert best[0]["id"] == "mlx-community/Qwen3-8B-4bit"
    assert found["mlx-community/Qwen3-30B-A3B-4bit"]["fits"] is False
    assert hub.requests == []


def test_what_is_wrong_is_told_with_what_mends_it(
    http: httpx.Client, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    def checks() -> list[dict[str, Any]]:
        data: list[dict[str, Any]] = http.get("/v1/checks").json()["data"]
        return data

    assert {check["name"] for check in checks()} == {
        "Redis",
        "Worker",
        "Queue",
        "Chat model",
        "Disk",
        "Hub",
        "Network",
    }
    assert [check["name"] for check in checks() if check["state"] == "error"] == []
    worker.vanish()
    http.post("/v1/queue/pause")
    first, second, *_ = checks()
    assert (first["name"], first["state"], first["command"]) == ("Worker", "error", "mlxq serve")
    assert (second["name"], second["state"], second["command"]) == ("Queue", "warning", "mlxq resume")
    clean_redis.delete(keys.PAUSED)
