"""Downloads through the whole product, against a hub on loopback: killed, shared, waited for, cancelled, deleted."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.support.checkpoints import random_qwen3
from tests.support.hub import Hub
from tests.support.system import REPO, System

HELLO: Any = [{"role": "user", "content": "hello"}]
ASYNC = {"Prefer": "respond-async"}
#: No checkpoint, but as good as one for whoever only moves bytes.
BYTES = 1_000_000


def any_model(hub: Hub, name: str) -> bytes:
    """A model of random bytes on the hub."""
    weights = os.urandom(BYTES)
    hub.add(name, {"config.json": b'{"model_type": "qwen3"}', "model.safetensors": weights, "a.json": b"{}"})
    return weights


def begin(system: System, repo_id: str) -> str:
    answer = system.http.post("/v1/models/download", json={"repo_id": repo_id}, headers=ASYNC)
    assert answer.status_code == 202
    return str(answer.json()["id"])


def ended(system: System, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = system.http.get(f"/v1/jobs/{job_id}?wait=50").json()
    assert job["status"] in ("completed", "failed", "cancelled"), job
    return job


def partial(cache: Path, repo_id: str) -> int:
    """Bytes that are here of a file that is not whole."""
    folder = cache / f"models--{repo_id.replace('/', '--')}" / "blobs"
    try:
        return max((path.stat().st_size for path in folder.glob("*.incomplete")), default=0)
    except FileNotFoundError:  # it has just become whole, or changed its name
        return 0


def listed(system: System) -> list[str]:
    return [row["id"] for row in system.http.get("/v1/models").json()["data"]]


@pytest.mark.chaos
def test_a_download_that_is_killed_at_every_tenth_goes_on_where_it_was(
    downloading: System, hub: Hub, cache: Path
) -> None:
    weights = any_model(hub, "org/killed")
    job_id = begin(downloading, "org/killed")
    places = [BYTES * tenth // 10 for tenth in range(1, 10)]
    for place in places:
        hub.faults.hold_at = place
        downloading.start_downloads()
        downloading.wait_until(lambda: partial(cache, "org/killed") == place, "it does not get there")  # noqa: B023
        downloading.kill_downloads()
        assert downloading.http.get("/v1/models/org/killed").status_code == 404
        assert "org/killed" not in listed(downloading)
    hub.faults.hold_at = None
    downloading.start_downloads()
    job = ended(downloading, job_id)
    downloading.stop_downloads()

    assert job["status"] == "completed"
    assert job["attempts"] == len(places) + 1
    # Not one byte came twice.
    assert hub.sent("model.safetensors") == BYTES
    assert hub.starts("model.safetensors") == [0, *places]
    assert job["result"]["fetched_bytes"] == BYTES - places[-1]
    assert job["result"]["resumed_bytes"] == job["result"]["bytes"] - job["result"]["fetched_bytes"]
    (snapshot,) = (cache / "models--org--killed" / "snapshots").iterdir()
    assert (snapshot / "model.safetensors").read_bytes() == weights
    assert partial(cache, "org/killed") == 0
    assert "org/killed" in listed(downloading)


def test_a_stop_puts_a_download_back_and_the_next_start_goes_on(
    downloading: System, hub: Hub, cache: Path
) -> None:
    any_model(hub, "org/stopped")
    hub.faults.hold_at = BYTES // 2
    downloading.start_downloads()
    job_id = begin(downloading, "org/stopped")
    downloading.wait_until(lambda: partial(cache, "org/stopped") == BYTES // 2, "it does not get there")
    assert downloading.stop_downloads() == 0
    assert downloading.job(job_id)["status"] == "queued"
    hub.faults.hold_at = None
    downloading.start_downloads()
    assert ended(downloading, job_id)["status"] == "completed"
    downloading.stop_downloads()
    assert hub.sent("model.safetensors") == BYTES


def test_progress_is_told_in_bytes_by_polling_and_as_events(fetching: System, hub: Hub) -> None:
    any_model(hub, "org/progress")
    hub.faults.slow = (50_000, 0.06)
    job_id = begin(fetching, "org/progress")
    seen = []
    with fetching.http.stream("GET", f"/v1/jobs/{job_id}/events") as events:
        name = ""
        for line in events.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data" and name == "progress":
                seen.append(json.loads(value))
                shown = fetching.job(job_id)
                assert shown["status"] in ("in_progress", "completed")
                assert shown["progress"]["done"] >= seen[-1]["done"]
    assert [each["done"] for each in seen] == sorted(each["done"] for each in seen)
    small = len(b'{"model_type": "qwen3"}{}')
    assert seen[-1]["done"] == seen[-1]["total"] == BYTES + small
    middle = [each for each in seen if small < each["done"] < each["total"] and each["bytes_per_second"]]
    assert middle, "nothing was told in the middle"
    # The time of the last bytes is rounded to nothing.
    wrong = [each for each in middle[1:] if each["file"] != "model.safetensors" or each["eta"] < 0]
    assert not wrong


def test_a_cancelled_download_ends_at_once_and_keeps_what_came(
    fetching: System, hub: Hub, cache: Path
) -> None:
    any_model(hub, "org/cancelled")
    hub.faults.hold_at = BYTES // 4
    job_id = begin(fetching, "org/cancelled")
    fetching.wait_until(lambda: partial(cache, "org/cancelled") == BYTES // 4, "it does not get there")
    fetching.http.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
    assert ended(fetching, job_id)["status"] == "cancelled"
    hub.faults.hold_at = None
    again = fetching.http.post("/v1/models/download", json={"repo_id": "org/cancelled"}).raise_for_status()
    assert again.json()["job_id"] != job_id
    assert again.json()["resumed_bytes"] >= BYTES // 4
    assert hub.sent("model.safetensors") == BYTES


class _Stream:
    """A client that streams a chat."""

    def __init__(self, system: System, model: str) -> None:
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._run, args=(system.url, model), daemon=True)
        self._thread.start()

    def _run(self, url: str, model: str) -> None:
        body = {"model": model, "messages": HELLO, "stream": True, "max_tokens": 5, "temperature": 0}
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=60) as answer:
            for line in answer.iter_lines():
                if line:
                    self.lines.append(line)

    def result(self) -> list[str]:
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.lines

    @property
    def told(self) -> list[str]:
        """What it has heard of the download."""
        return [line for line in list(self.lines) if line.startswith(": downloading ")]

    @property
    def said(self) -> str:
        """What all deltas together say."""
        chunks = [json.loads(line[5:]) for line in self.lines if line.startswith("data: {")]
        return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)


def test_three_clients_ask_for_a_model_that_is_not_here(fetching: System, hub: Hub) -> None:
    """One download, three answers, and nobody waits in silence."""
    size = len(hub.models["org/chat-0"]["model.safetensors"].content)
    hub.faults.hold_at = size // 4
    streams = [_Stream(fetching, "org/chat-0") for _ in range(3)]
    fetching.wait_until(lambda: all(stream.told for stream in streams), "somebody waits in silence")
    first = [stream.told[-1] for stream in streams]
    hub.go_on(size // 2)
    fetching.wait_until(
        lambda: all(stream.told[-1] != told for stream, told in zip(streams, first, strict=True)),
        "nobody is told that it goes on",
    )
    hub.go.set()
    for stream in streams:
        lines = stream.result()
        assert lines[-1] == "data: [DONE]", lines
    assert hub.sent("model.safetensors") == size
    downloads = fetching.http.get("/v1/jobs?queue=download&limit=100").json()["data"]
    assert len([job for job in downloads if job["model"] == "org/chat-0"]) == 1
    assert len({stream.said for stream in streams}) == 1


def test_a_job_is_there_at_once_and_waits_for_its_model(fetching: System, hub: Hub) -> None:
    hub.faults.hold_at = 10_000
    body = {"model": "org/chat-1", "messages": HELLO, "max_tokens": 3}
    accepted = fetching.http.post("/v1/chat/completions", json=body, headers=ASYNC)
    assert accepted.status_code == 202
    job_id = accepted.json()["id"]
    fetching.wait_until(lambda: fetching.job(job_id)["progress"], "no progress is shown")
    waiting = fetching.job(job_id)
    assert waiting["status"] == "queued"
    assert waiting["progress"]["done"] < waiting["progress"]["total"]
    # The API may go and come back meanwhile: the job does not belong to it.
    fetching.kill_api()
    hub.go.set()
    fetching.start_api()
    job = ended(fetching, job_id)
    assert job["status"] == "completed"
    assert job["progress"] is None
    assert job["result"]["model"] == "org/chat-1"


def test_a_waiting_job_fails_with_its_download(fetching: System, hub: Hub) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        fetching.openai().chat.completions.create(model="org/nowhere", messages=HELLO)
    assert "does not exist on the hub" in missing.value.message
    assert missing.value.code == "model_not_found"

    hub.faults.hold_at = 10_000
    body = {"model": "org/chat-2", "messages": HELLO}
    chat = fetching.http.post("/v1/chat/completions", json=body, headers=ASYNC).json()["id"]
    fetching.wait_until(lambda: fetching.job(chat)["progress"], "no progress is shown")
    fetching.http.post(f"/v1/jobs/{fetching.job(chat)['progress']['job']}/cancel").raise_for_status()
    job = ended(fetching, chat)
    assert (job["status"], job["error"]["code"]) == ("failed", "model_not_found")
    assert "cancelled" in job["error"]["message"]


def test_a_waiting_job_can_be_cancelled_and_its_download_goes_on(fetching: System, hub: Hub) -> None:
    hub.faults.hold_at = 10_000
    body = {"model": "org/chat-3", "messages": HELLO}
    chat = fetching.http.post("/v1/chat/completions", json=body, headers=ASYNC).json()["id"]
    fetching.wait_until(lambda: fetching.job(chat)["progress"], "no progress is shown")
    download = fetching.job(chat)["progress"]["job"]
    assert fetching.http.delete(f"/v1/jobs/{chat}").json()["status"] == "cancelled"
    hub.go.set()
    assert ended(fetching, download)["status"] == "completed"
    assert fetching.job(chat)["status"] == "cancelled"


def test_a_default_model_that_is_not_here_is_fetched_at_the_start_and_loaded(
    make_system: Callable[..., System], the_hub: Hub, tmp_path: Path
) -> None:
    the_hub.forget()
    system = make_system(
        LLM_MODEL="org/chat-5", AUTO_DOWNLOAD=1, HF_ENDPOINT=the_hub.url, HF_HUB_CACHE=tmp_path / "hub"
    )
    trash = tmp_path / "hub" / ".deleted-1"
    trash.mkdir(parents=True)
    system.start_downloads()

    def loaded() -> bool:
        return bool(system.http.get("/v1/models/status").json()["models"]["llm"] == "org/chat-5")

    system.wait_until(loaded, "it is not loaded")
    assert system.openai().chat.completions.create(model="default", messages=HELLO, max_tokens=2).choices
    assert not trash.exists(), "a deletion that was cut off is finished"


def test_a_short_name_is_never_looked_for(fetching: System, hub: Hub) -> None:
    with pytest.raises(openai.NotFoundError):
        fetching.openai().chat.completions.create(model="chat-5", messages=HELLO)
    assert not hub.requests


def test_install_gives_a_name_and_delete_takes_everything(fetching: System, hub: Hub, cache: Path) -> None:
    answer = fetching.http.post("/v1/models/install", json={"model_id": "org/chat-4", "name": "my-chat"})
    body = answer.raise_for_status().json()
    assert body["message"] == "Model 'my-chat' installed successfully"
    assert (body["model_name"], body["model_id"], body["status"]) == ("my-chat", "org/chat-4", "installed")
    again = fetching.http.post(
        "/v1/models/install", json={"model_id": "org/chat-4", "name": "my-chat"}
    ).json()
    assert again["status"] == "already_installed"

    client = fetching.openai()
    said = client.chat.completions.create(model="my-chat", messages=HELLO, max_tokens=3)
    assert said.model == "my-chat"
    assert fetching.http.get("/v1/models/status").json()["models"]["llm"] == "org/chat-4"

    # It is loaded, but nobody uses it: it is unloaded and deleted.
    gone = client.models.delete("my-chat")
    assert (gone.id, gone.object, gone.deleted) == ("my-chat", "model", True)
    assert gone.model_dump()["removed_files"] is True
    assert gone.model_dump()["status"] == "deleted"
    # Another model may still be loaded beside it.
    assert fetching.http.get("/v1/models/status").json()["models"]["llm"] != "org/chat-4"
    assert not (cache / "models--org--chat-4").exists()
    assert not list(cache.glob(".deleted-*"))
    with pytest.raises(openai.NotFoundError):
        client.models.delete("my-chat")


def test_a_model_in_use_is_not_deleted(fetching: System, hub: Hub, cache: Path) -> None:
    any_model(hub, "org/in-use")
    hub.faults.hold_at = 10_000
    job_id = begin(fetching, "org/in-use")
    fetching.wait_until(lambda: partial(cache, "org/in-use") == 10_000, "it does not get there")
    refused = fetching.http.delete("/v1/models/org/in-use")
    assert refused.status_code == 409
    assert refused.headers["x-should-retry"] == "false"
    hub.go.set()
    assert ended(fetching, job_id)["status"] == "completed"
    assert fetching.http.delete("/v1/models/org%2Fin-use").status_code == 200


def test_a_deleted_model_may_keep_its_files(fetching: System, hub: Hub) -> None:
    any_model(hub, "org/kept")
    fetching.http.post("/v1/models/download", json={"repo_id": "org/kept"}).raise_for_status()
    body = fetching.http.delete("/v1/models/org/kept?remove_files=false").raise_for_status().json()
    assert (body["deleted"], body["removed_files"]) == (True, False)
    assert "org/kept" not in listed(fetching)
    assert fetching.http.get("/v1/models/org/kept").status_code == 404
    back = fetching.http.post("/v1/models/download", json={"repo_id": "org/kept"}).raise_for_status().json()
    assert back["fetched_bytes"] == 0
    assert hub.sent("model.safetensors") == BYTES


def test_only_what_lies_in_the_roots_is_deleted(tmp_path: Path) -> None:
    root = tmp_path / "models"
    random_qwen3(root / "first", seed=1)
    random_qwen3(root / "org" / "second", seed=2)
    random_qwen3(tmp_path / "outside", seed=3)
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "twin").symlink_to(root / "org" / "second")
    # Nothing is loaded here: no worker is needed.
    system = System(root, "first", HF_HUB_CACHE=tmp_path / "hub", MODEL_ROOTS=f"{root},{REPO / 'models'}")
    try:
        system.redis.start()
        system.start_api()

        def delete(name: str) -> int:
            return system.http.delete(f"/v1/models/{name}").status_code

        for name in (
            "nothing",
            "..%2F..%2Foutside",
            "%2Fetc",
            "~",
            ".",
            "link",
            "x" * 3000,
            f"{tmp_path}/outside",
        ):
            assert delete(name) in (404, 405), name
        assert delete("first") == 409  # the server's own
        assert delete("tiny-chat") == 403  # it comes with mlxq
        assert delete("twin") == 200
        assert (root / "org" / "second").exists(), "the link goes, not what it leads to"
        assert delete("org%2Fsecond") == 200
        assert not (root / "org" / "second").exists()
        assert (tmp_path / "outside" / "config.json").exists()
        assert (REPO / "models" / "tiny-chat" / "config.json").exists()
        assert (root / "first" / "config.json").exists()
    finally:
        system.stop()
