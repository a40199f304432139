"""`/v1/models`: what there is, what is loaded, load and unload."""

from pathlib import Path

import httpx
import openai
import orjson
import pytest
import redis

from jobs import keys
from jobs.kinds import Category
from tests.api.conftest import MakeSettings, put_model
from tests.api.requests import chat
from tests.support.api_server import ApiServer
from tests.support.hub_listing import HubListing
from tests.support.scripted_worker import ScriptedWorker


def test_the_sdk_lists_and_retrieves(sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    assert [model.id for model in sdk.models.list()] == ["org/other", "tiny"]
    model = sdk.models.retrieve("org/other")
    assert (model.id, model.object, model.owned_by) == ("org/other", "model", "org")
    with pytest.raises(openai.NotFoundError) as unknown:
        sdk.models.retrieve("org/unknown")
    assert unknown.value.code == "model_not_found"


@pytest.mark.parametrize("path", ["/v1/models/org/other", "/v1/models/org%2Fother", "/models/other"])
def test_ids_with_slashes(http: httpx.Client, worker: ScriptedWorker, path: str) -> None:
    body = http.get(path).json()
    assert body["id"] == body["name"] == "org/other"
    assert body["context_length"] == 4096
    assert body["metadata"]["model_type"] == "qwen3"


def test_one_body_for_all_clients(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.announce(model="tiny", state="loaded", context_length=2048, memory_bytes=5_000_000)
    for path in ("/v1/models", "/models", "/v1/models/"):
        body = http.get(path).json()
        assert body["object"] == "list"
        assert [row["id"] for row in body["data"]] == ["tiny", "org/other"]
        assert [row["name"] for row in body["models"]] == ["tiny", "org/other"]
    row = body["data"][0]
    assert row["created"] > 0
    assert (row["permission"], row["root"], row["parent"]) == ([], "tiny", None)
    assert (row["type"], row["status"], row["context_length"]) == ("llm", "loaded", 2048)
    assert "/v1/chat/completions" in row["endpoints"]
    assert [r["status"] for r in body["models"]] == ["loaded", "unloaded"]
    assert body["models"][0]["memory_required_gb"] == 0.005


def test_only_the_loaded_ones(http: httpx.Client, worker: ScriptedWorker) -> None:
    assert http.get("/v1/models?loaded=true").json()["data"] == []
    worker.announce(model="hub/only-in-memory", state="loaded")
    loaded = http.get("/v1/models?loaded=true").json()["data"]
    assert [row["id"] for row in loaded] == ["hub/only-in-memory"]
    assert http.get("/v1/models/hub/only-in-memory").json()["status"] == "loaded"


def test_the_hubs_cache_is_not_listed(http: httpx.Client, worker: ScriptedWorker, model_root: Path) -> None:
    put_model(model_root, "models--hub--cached/snapshots/abc")
    refs = model_root / "models--hub--cached" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    assert http.get("/v1/models/hub/cached").status_code == 200, "it can be used"
    assert "hub/cached" not in http.get("/v1/models").text


def test_status_is_one_model_per_category(http: httpx.Client, worker: ScriptedWorker) -> None:
    nothing = {"llm": None, "asr": None, "tts": None, "image": None, "vlm": None, "embedding": None}
    assert http.get("/v1/models/status").json() == {"status": "success", "models": nothing}
    worker.announce(model="tiny", state="loading")
    assert http.get("/v1/models/status").json()["models"] == nothing
    worker.announce(model="tiny", state="loaded")
    assert http.get("/v1/models/status").json()["models"] == {**nothing, "llm": "tiny"}


def test_load(http: httpx.Client, worker: ScriptedWorker) -> None:
    for body in ({"model": "other", "model_type": "llm"}, {"model": "org/other"}):
        answer = http.post("/v1/models/load", json=body).json()
        assert answer == {
            "message": "Model 'org/other' loaded successfully",
            "status": "loaded",
            "model": "org/other",
            "model_type": "llm",
            "job_id": answer["job_id"],
        }
    run = worker.runs[0]
    assert (run.claim.kind, run.claim.model, run.claim.timeout) == ("load", "org/other", 300)


def test_load_as_a_job(http: httpx.Client, worker: ScriptedWorker) -> None:
    answer = http.post("/v1/models/load", json={"model": "tiny"}, headers={"prefer": "respond-async"})
    assert answer.status_code == 202
    job = http.get(answer.headers["location"], params={"wait": 20}).json()
    assert job["result"]["message"] == "Model 'tiny' loaded successfully"


def test_what_cannot_be_loaded(http: httpx.Client, worker: ScriptedWorker) -> None:
    assert http.post("/v1/models/load", json={"model": "nix"}).status_code == 404
    assert http.post("/v1/models/load", json={}).json()["error"]["param"] == "model"
    for body in ({"model": "tiny", "model_type": "asr"}, {"model": "tiny", "model_type": "toaster"}):
        answer = http.post("/v1/models/load", json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "model_type"
        assert "llm" in answer.json()["error"]["message"]
    assert worker.runs == []


def test_unload(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.announce(model="tiny", state="loaded")
    for model_type in ("llm", "all"):
        answer = http.post("/v1/models/unload", json={"model_type": model_type}).json()
        assert (answer["message"], answer["status"]) == ("Model 'tiny' unloaded successfully", "unloaded")
        assert answer["model_type"] == model_type
    assert [run.claim.kind for run in worker.runs] == ["unload", "unload"]
    nothing = http.post("/v1/models/unload", json={"model_type": "asr"})
    assert nothing.status_code == 200
    assert nothing.json()["status"] == "unloaded"
    assert len(worker.runs) == 2


def test_unload_all_says_what_it_did(
    http: httpx.Client, worker: ScriptedWorker, redis_url: str, clean_redis: redis.Redis
) -> None:
    def announce(**models: str | None) -> None:
        slots = {
            name: [{"model": model, "state": "loaded" if model else "empty"}]
            for name, model in models.items()
        }
        state = {"name": "one", "engines": list(models), "slots": slots, "seen_at": "", "memory": {}}
        clean_redis.set(keys.worker_state("scripted"), orjson.dumps(state))

    with ScriptedWorker(redis_url, category=Category.TTS) as speaker:
        announce(llm="tiny", tts="org/voice")
        answer = http.post("/v1/models/unload", json={"model_type": "all"}).json()
        assert answer["message"] == "Unloaded 'tiny' (llm), 'org/voice' (tts)"
        assert answer["unloaded"] == [
            {"model_type": "llm", "model": "tiny"},
            {"model_type": "tts", "model": "org/voice"},
        ]
        assert "workers" not in answer
        announce(llm=None, tts="org/voice")
        answer = http.post("/v1/models/unload", json={"model_type": "all"}).json()
        assert (answer["message"], answer["model"]) == ("Model 'org/voice' unloaded successfully", None)
        announce(llm=None, tts=None)
        answer = http.post("/v1/models/unload", json={"model_type": "all"}).json()
        assert (answer["message"], answer["unloaded"]) == ("No model was loaded", [])
        assert len(speaker.runs) == 3


def test_a_model_that_was_just_put_there_is_found(
    http: httpx.Client, worker: ScriptedWorker, model_root: Path
) -> None:
    assert http.post("/v1/chat/completions", json=chat() | {"model": "new"}).status_code == 404
    put_model(model_root, "new")
    assert http.post("/v1/chat/completions", json=chat() | {"model": "new"}).status_code == 200


def test_a_hub_id_is_accepted_if_it_may_be_fetched(
    make_settings: MakeSettings, worker: ScriptedWorker
) -> None:
    body = chat() | {"model": "some-org/some-model"}
    headers = {"prefer": "respond-async"}
    for allowed, status in ((True, 202), (False, 404)):
        with HubListing() as hub, ApiServer(make_settings(auto_download=allowed, hf_endpoint=hub.url)) as api:
            answer = httpx.post(f"{api.url}/v1/chat/completions", json=body, headers=headers)
            assert answer.status_code == status
            assert httpx.get(f"{api.url}/v1/models/some-org/some-model").status_code == 404


def test_a_path_outside_the_roots_is_told_of_them(
    http: httpx.Client, worker: ScriptedWorker, tmp_path: Path
) -> None:
    """The same whether it exists or not: what lies elsewhere is not told."""
    for path in (str(tmp_path), f"{tmp_path}/none"):
        answer = http.post(
            "/v1/chat/completions", json={"model": path, "messages": [{"role": "user", "content": "x"}]}
        )
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == (
            f"The model '{path}' does not exist: a path means a model's folder in one of the MODEL_ROOTS."
        )
