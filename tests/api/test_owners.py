"""Whose jobs a key sees: with `API_KEYS` its own, with `ADMIN_KEYS` those of all."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from jobs import keys
from jobs.blobs import LocalBlobs
from jobs.kinds import Category
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.api.test_speech import put
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import Run, ScriptedWorker

CHAT = "/v1/chat/completions"
RETRY = {"x-stainless-retry-count": "1"}


class Keyed:
    """One server, as the holders of two keys and of an admin's key see it."""

    def __init__(self, url: str) -> None:
        self.ann, self.bob, self.chief = (
            httpx.Client(base_url=url, timeout=30, headers={"authorization": f"Bearer {key}"})
            for key in ("key-of-ann", "key-of-bob", "key-of-the-chief")
        )

    def close(self) -> None:
        for each in (self.ann, self.bob, self.chief):
            each.close()


@pytest.fixture
def keyed(make_settings: MakeSettings, model_root: Path, tmp_path: Path) -> Iterator[Keyed]:
    put(model_root / "speaks", {"model_type": "qwen3_tts"})
    settings = make_settings(
        api_keys="key-of-ann,key-of-bob",
        admin_keys="key-of-the-chief",
        tts_model="speaks",
        data_dir=tmp_path / "data",
    )
    with ApiServer(settings) as api:
        keyed = Keyed(api.url)
        yield keyed
        keyed.close()


def submit(http: httpx.Client, text: str = "Hello") -> str:
    return str(http.post(CHAT, json=chat(text, background=True)).raise_for_status().json()["id"])


def listed(http: httpx.Client, **query: Any) -> list[str]:
    rows = http.get("/v1/jobs", params=query).raise_for_status().json()["data"]
    return [row["id"] for row in rows]


def test_a_key_sees_its_own_jobs_and_an_admin_sees_all(keyed: Keyed, worker: ScriptedWorker) -> None:
    hers, his = submit(keyed.ann, "secret of Ann"), submit(keyed.bob)
    second = submit(keyed.ann)
    assert listed(keyed.ann) == [second, hers]
    assert listed(keyed.bob) == [his]
    assert listed(keyed.chief) == [second, his, hers]
    assert listed(keyed.ann, after=second) == [hers]
    for http in (keyed.ann, keyed.chief):
        job = http.get(f"/v1/jobs/{hers}", params={"wait": 20}).json()
        assert job["result"]["choices"][0]["message"]["content"] == "secret of Ann"
        assert "completed" in http.get(f"/v1/jobs/{hers}/events").text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/jobs/{}"),
        ("GET", "/v1/jobs/{}?wait=1"),
        ("GET", "/v1/jobs/{}/events"),
        ("GET", "/v1/jobs/{}/artifacts/0"),
        ("POST", "/v1/jobs/{}/cancel"),
        ("PUT", "/v1/jobs/{}/cancel"),
        ("PUT", "/v1/jobs/{}"),
        ("DELETE", "/v1/jobs/{}"),
        ("GET", "/v1/jobs?after={}"),
    ],
)
def test_a_job_of_another_key_does_not_exist(
    keyed: Keyed, worker: ScriptedWorker, method: str, path: str
) -> None:
    worker.pause()
    job = submit(keyed.ann)
    none = "chatcmpl-" + "0" * 24

    def asked(job_id: str) -> tuple[int, Any, set[str]]:
        answer = keyed.bob.request(method, path.format(job_id))
        return answer.status_code, answer.text.replace(job_id, none), set(answer.headers)

    assert asked(job) == asked(none)
    assert asked(none)[0] == (400 if "after" in path else 404)
    assert keyed.ann.get(f"/v1/jobs/{job}").json()["status"] == "queued"
    assert keyed.chief.delete(f"/v1/jobs/{job}").json()["status"] == "cancelled"
    worker.resume()


def test_files_are_those_of_the_key(
    keyed: Keyed, redis_url: str, clean_redis: redis.Redis, tmp_path: Path
) -> None:
    blobs = LocalBlobs(tmp_path / "data" / "blobs")

    more = {"duration": 0.5, "sample_rate": 24_000, "usage": {"input_tokens": 1, "output_tokens": 1}}

    def speak(run: Run) -> None:
        run.end(result={"audio": blobs.put(b"sound"), "format": "wav", "content_type": "audio/wav", **more})

    with ScriptedWorker(redis_url, default=speak, category=Category.TTS):
        said = {"model": "speaks", "input": "Hello", "background": True}
        job = keyed.ann.post("/v1/audio/speech", json=said).raise_for_status().json()["id"]
        assert keyed.ann.get(f"/v1/jobs/{job}?wait=20").json()["status"] == "completed"
    path = f"/v1/jobs/{job}/artifacts/0"
    assert [http.get(path).status_code for http in (keyed.ann, keyed.bob, keyed.chief)] == [200, 404, 200]


def test_nobody_is_led_to_the_job_of_another_key(keyed: Keyed, worker: ScriptedWorker) -> None:
    for headers in ({"idempotency-key": "1"}, RETRY):
        ids = {http.post(CHAT, json=chat(), headers=headers).json()["id"] for http in (keyed.ann, keyed.bob)}
        assert len(ids) == 2
        again = keyed.ann.post(CHAT, json=chat(), headers=headers).json()["id"]
        assert again in ids


def test_a_download_is_shared_and_ended_by_who_began_it(
    make_settings: MakeSettings, worker: ScriptedWorker, tmp_path: Path
) -> None:
    settings = make_settings(api_keys="key-of-ann,key-of-bob", data_dir=tmp_path, hub_cache=tmp_path / "hub")
    with ApiServer(settings) as api:
        keyed = Keyed(api.url)
        wanted = {"repo_id": "org/absent", "background": True}
        first, second = (
            http.post("/v1/models/download", json=wanted, headers={"x-app": name}).json()
            for http, name in ((keyed.ann, "Ann's"), (keyed.bob, "Bob's"))
        )
        assert first["id"] == second["id"]
        assert (first["app"], second["app"]) == ("Ann's", "")
        path = f"/v1/jobs/{first['id']}"
        assert keyed.bob.get(path).json()["model"] == "org/absent"
        assert listed(keyed.bob) == []
        assert keyed.bob.delete(path).status_code == 403
        assert keyed.ann.delete(path).json()["status"] == "cancelled"
        keyed.close()


def test_no_key_is_kept(keyed: Keyed, worker: ScriptedWorker, clean_redis: redis.Redis) -> None:
    job = submit(keyed.ann)
    keyed.ann.get(f"/v1/jobs/{job}?wait=20")
    # Else long texts are dumped in a form that cannot be searched.
    clean_redis.config_set("rdbcompression", "no")
    for name in clean_redis.scan_iter():
        assert b"key-of" not in name
        assert b"key-of" not in (clean_redis.dump(name) or b"")
    assert clean_redis.hget(keys.job(job), "mlxq_owner")


def test_counts_are_everybodys_and_hold_no_ids(keyed: Keyed, worker: ScriptedWorker) -> None:
    worker.pause()
    job = submit(keyed.ann)
    assert keyed.bob.get("/v1/queue/stats").json()["queues"]["llm"]["waiting"] == 1
    for path in ("/v1/queue/stats", "/v1/manager/status", "/v1/system/status", "/v1/manager/models"):
        assert job not in keyed.bob.get(path).raise_for_status().text
    worker.resume()


def test_a_stored_file_is_read_for_its_key_only(keyed: Keyed, worker: ScriptedWorker) -> None:
    sent = {"files": {"file": ("a.txt", b"Ann's secret.")}, "data": {"purpose": "user_data"}}
    file_id = keyed.ann.post("/v1/files", **sent).raise_for_status().json()["id"]  # type: ignore[arg-type]
    content = [{"type": "input_file", "file_id": file_id}, {"type": "input_text", "text": "?"}]
    body = {"model": "tiny", "input": [{"role": "user", "content": content}]}
    assert keyed.bob.post("/v1/responses", json=body).status_code == 404
    assert not worker.runs
    assert keyed.ann.post("/v1/responses", json=body).status_code == 200
    assert "Ann's secret." in str(worker.runs[-1].payload["messages"])
