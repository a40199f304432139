"""Files that come with requests: what becomes no job leaves nothing behind, and a full disk is a 507."""

import errno
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import redis
from starlette.datastructures import UploadFile

from config.settings import Settings
from jobs.kinds import Category
from tests.support.api_server import ApiServer
from tests.support.audio_samples import hum
from tests.support.jobs import counted_memory, memory_of
from tests.support.scripted_worker import ScriptedWorker

PATH = "/v1/audio/transcriptions"


@pytest.fixture
def hearer(redis_url: str, clean_redis: redis.Redis) -> Iterator[ScriptedWorker]:
    with ScriptedWorker(
        redis_url, default=lambda run: run.end(result={"text": "day"}), category=Category.ASR
    ) as worker:
        yield worker


@pytest.fixture
def make_api(
    make_settings: Callable[..., Settings], model_root: Path, tmp_path: Path
) -> Iterator[Callable[..., str]]:
    folder = model_root / "hears"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "whisper"}')
    (folder / "model.safetensors").write_bytes(bytes(100))
    servers = []

    def make(**settings: object) -> str:
        servers.append(ApiServer(make_settings(asr_model="hears", data_dir=tmp_path, **settings)))
        return servers[-1].__enter__().url

    yield make
    for server in servers:
        server.__exit__(None, None, None)


def send(url: str, file: bytes | None = None, prefer: str = "", key: str = "") -> httpx.Response:
    headers = {"prefer": prefer, "idempotency-key": key}
    return httpx.post(
        url + PATH,
        files={"file": ("a", hum() if file is None else file)},
        headers={name: value for name, value in headers.items() if value},
        timeout=30,
    )


def files(tmp_path: Path) -> list[str]:
    folder = tmp_path / "blobs"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_request_that_becomes_no_job_leaves_no_file(
    make_api: Callable[..., str], hearer: ScriptedWorker, tmp_path: Path
) -> None:
    url = make_api(queue_limit=1)
    hearer.pause()
    waits = send(url, prefer="respond-async", key="k")
    assert waits.status_code == 202
    kept = files(tmp_path)
    assert len(kept) == 1

    assert send(url).status_code == 429
    assert send(url, hum(seconds=0.2), key="k").status_code == 409
    assert send(url, b"no sound").status_code == 400
    again = send(url, prefer="respond-async", key="k")
    assert (again.status_code, again.json()["id"]) == (202, waits.json()["id"])
    assert files(tmp_path) == kept

    hearer.resume()
    job = f"{url}/v1/jobs/{waits.json()['id']}"
    assert httpx.get(f"{job}?wait=20", timeout=60).json()["status"] == "completed"
    refused = httpx.post(f"{job}/retry")
    assert refused.status_code == 409
    assert "send the request again" in refused.json()["error"]["message"]


def test_a_request_leaves_no_file_when_redis_is_short_of_memory(
    make_api: Callable[..., str], hearer: ScriptedWorker, clean_redis: redis.Redis, tmp_path: Path
) -> None:
    url = make_api()
    with memory_of(clean_redis, -counted_memory(clean_redis) // 2):
        assert send(url).status_code == 503
        health = httpx.get(f"{url}/health", timeout=60)
    assert files(tmp_path) == []
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert "memory" in health.json()["reason"]


def test_recordings_count_against_the_room_on_the_disk(
    make_api: Callable[..., str], hearer: ScriptedWorker, tmp_path: Path
) -> None:
    recording = hum(seconds=1)
    url = make_api(disk_limit_gb=1.5 * len(recording) / 1024**3)
    hearer.pause()
    assert send(url, recording, prefer="respond-async").status_code == 202
    refused = send(url, recording)
    assert (refused.status_code, refused.json()["error"]["code"]) == (507, "insufficient_storage")
    assert refused.headers["x-should-retry"] == "false"
    assert "retry-after" not in refused.headers
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize("where", ["form", "file"])
def test_a_full_disk_is_a_507_wherever_it_is_noticed(
    where: str, make_api: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path))

    async def full_form(*_: object) -> None:
        full()

    if where == "form":
        monkeypatch.setattr(UploadFile, "write", full_form)
    else:
        monkeypatch.setattr("jobs.blobs.local.LocalBlobs._write", full)
    refused = send(make_api())
    assert (refused.status_code, refused.json()["error"]["code"]) == (507, "insufficient_storage")
    assert str(tmp_path) not in refused.text
    assert files(tmp_path) == []


def test_a_client_that_leaves_while_its_recording_is_read_leaves_no_file(
    make_api: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is whole when the request ends for another reason than a verdict of the queue."""
    reached = threading.Event()

    def broken(*_: object) -> float:
        reached.set()
        raise RuntimeError("whatever it is")

    monkeypatch.setattr("mlxq.media.audio.probe", broken)
    assert send(make_api()).status_code == 500
    assert reached.is_set()
    assert files(tmp_path) == []
