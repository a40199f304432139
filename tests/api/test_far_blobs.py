"""Files that are not on this machine: in a bucket, for all that the API does with them, and behind a gateway."""

import asyncio
import base64
import errno
import os
import resource
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import obstore
import openai
import pytest
import redis
from obstore.store import S3Store

from config.settings import Settings
from jobs.blobs import SENT, STORED, BlobStore, JobBlobs, LocalBlobs, Scratch
from jobs.blobs.bucket import S3Blobs
from jobs.blobs.door import HttpBlobs
from jobs.blobs.ids import new_id
from jobs.errors import BlobGone, InsufficientStorage, ServiceUnavailable
from jobs.kinds import Category
from mlxq.media.images import open_image
from tests.api.conftest import MakeSettings
from tests.support.api_server import ApiServer
from tests.support.audio_samples import hum
from tests.support.batches import chats, ended, rows, start, texts
from tests.support.blob_door import ACCOUNT, BlobDoor
from tests.support.bucket import bucket_server, make_bucket
from tests.support.events import EventType
from tests.support.images import encoded, picture
from tests.support.painter import PNG, finish, made, put_painters, show
from tests.support.scripted_worker import Run, ScriptedWorker

#: Bytes of a recording that would be noticed in memory.
LARGE = 64 << 20
#: The hash of no bytes here.
OTHER = "0" * 64


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with bucket_server() as url:
        yield url


@pytest.fixture
def bucket(s3: str) -> str:
    return make_bucket(s3, f"files-{secrets.token_hex(8)}")


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    return Scratch(tmp_path / "scratch")


class Far:
    """`api` is the store of the API, `worker` that of a worker; `name` makes blobs those of the worker's jobs."""

    def __init__(self, api: BlobStore, worker: JobBlobs, name: Callable[..., None], spoil: Any) -> None:
        self.api, self.worker, self.name, self.spoil = api, worker, name, spoil


@pytest.fixture(params=["door", "bucket"])
def far(request: pytest.FixtureRequest, scratch: Scratch, tmp_path: Path) -> Iterator[Far]:
    if request.param == "bucket":
        url = request.getfixturevalue("bucket")

        def spoil(blob_id: str) -> None:
            bucket, _, folder = url.removeprefix("s3://").partition("/")
            store = S3Store(bucket, prefix=folder, client_options={"allow_http": True})
            obstore.put(store, blob_id, b"wrong")

        yield Far(S3Blobs(url, scratch), S3Blobs(url, scratch), lambda *_: None, spoil)
        return
    local = LocalBlobs(tmp_path / "blobs")
    with BlobDoor(local, set()) as door:
        worker = HttpBlobs(f"http://127.0.0.1:{door.port}", ACCOUNT, scratch, patience=30)
        yield Far(
            local,
            worker,
            lambda *ids: door.inputs.update(ids),
            lambda blob_id: (tmp_path / "blobs" / blob_id).write_bytes(b"wrong"),
        )


def read(blobs: JobBlobs, blob_id: str) -> bytes:
    return blobs.read(blob_id)


def read_open(blobs: JobBlobs, blob_id: str) -> bytes:
    with blobs.open(blob_id) as file:
        file.seek(10)
        end = file.read()
        file.seek(0)
        return file.read(10) + end


def read_local(blobs: JobBlobs, blob_id: str) -> bytes:
    with blobs.local(blob_id) as path:
        return path.read_bytes()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_two_hundred_images_and_recordings_arrive_as_they_are(far: Far, tmp_path: Path) -> None:
    images = [encoded(picture(number, 64 + number, 48)) for number in range(100)]
    sent = [*images, *(hum(220 + number, 0.3) for number in range(100))]

    def way(number: int) -> None:
        """To the worker, and what it makes of it back to the API."""
        blob_id = far.api.put(sent[number], SENT)
        far.name(blob_id)
        assert (read, read_open, read_local)[number % 3](far.worker, blob_id) == sent[number]
        result = far.worker.put(sent[number][::-1])
        assert far.api.read(result) == sent[number][::-1]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(way, range(len(sent))))
    assert files(tmp_path / "scratch") == []


def test_a_long_recording_is_never_in_memory_as_a_whole(far: Far, tmp_path: Path) -> None:
    piece = bytes(range(256)) * 4096
    before = peak()
    with far.api.draft(SENT) as draft:
        for _ in range(LARGE // len(piece)):
            draft.write(piece)
        blob_id = draft.keep()
    far.name(blob_id)
    with far.worker.local(blob_id) as path, path.open("rb") as file:
        assert path.stat().st_size == LARGE
        while got := file.read(len(piece)):
            assert got == piece
    assert peak() - before < LARGE * 3 // 4
    assert files(tmp_path / "scratch") == []


def peak() -> int:
    """Bytes of memory that this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def test_what_is_not_there_is_gone(far: Far) -> None:
    blob_id, never = far.api.put(b"short", SENT), new_id(SENT, OTHER)
    far.name(blob_id, never)
    far.api.delete(blob_id)
    far.api.delete(blob_id)
    for each in (blob_id, never, "../passwords", ""):
        for way in (read, read_open, read_local):
            with pytest.raises(BlobGone):
                way(far.worker, each)


def test_bytes_that_are_not_those_of_the_id_are_never_used(far: Far, tmp_path: Path) -> None:
    blob_id = far.api.put(b"right", SENT)
    far.name(blob_id)
    far.spoil(blob_id)
    for way in (read, read_local):
        with pytest.raises(ServiceUnavailable, match="damaged"):
            way(far.worker, blob_id)
    assert files(tmp_path / "scratch") == []


def test_a_copy_that_the_disk_has_no_room_for_is_a_507(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    blob_id = far.api.put(b"sent", SENT)
    far.name(blob_id)

    def full(*_: object, **__: object) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device", "/secret")

    monkeypatch.setattr("tempfile.mkstemp", full)
    with pytest.raises(InsufficientStorage) as refused:
        read_local(far.worker, blob_id)
    assert "/secret" not in refused.value.message


def test_copies_of_a_process_that_was_killed_are_deleted(scratch: Scratch) -> None:
    with scratch.file() as held:
        left = held.path.with_name("left")
        left.write_bytes(b"of nobody")
        for path in (held.path, left):
            os.utime(path, (time.time() - 3600,) * 2)
        with scratch.file():
            assert held.path.exists()
            assert not left.exists()


# -- a bucket ----------------------------------------------------------------------------------------------------


def test_a_bucket_keeps_what_is_needed_and_no_more(bucket: str, scratch: Scratch) -> None:
    blobs = S3Blobs(bucket, scratch, listed=0)
    made_one, sent, stored = blobs.put(b"made"), blobs.put(b"sent", SENT), blobs.put(b"stored", STORED)
    shared = blobs.put_shared(b"a voice")
    assert blobs.put_shared(b"a voice") == shared
    assert blobs.sweep(3600) == 0
    assert blobs.orphans(3600) == []
    # The bucket's clock counts in whole seconds.
    assert sorted(blobs.orphans(-60)) == sorted([sent, stored, shared])
    assert blobs.sweep(-60) == 1
    with pytest.raises(BlobGone):
        blobs.read(made_one)
    assert blobs.delete_orphans([shared, sent, made_one], 3600) == 0
    assert blobs.delete_orphans([shared, sent, made_one], -60) == 2
    assert blobs.orphans(-60) == [stored]
    assert blobs.delete_all([stored, "../x", "clock"]) == 1
    assert blobs.orphans(-60) == []


def test_a_bucket_has_room_for_so_much(
    bucket: str, scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = S3Blobs(bucket, scratch, limit=1_000_000)
    blobs.check_room(1_000_000)
    first = blobs.put(bytes(700_000))
    with pytest.raises(InsufficientStorage, match="DISK_LIMIT_GB"):
        blobs.check_room(400_000)
    with pytest.raises(InsufficientStorage):
        blobs.put(bytes(400_000))
    with blobs.draft() as draft:
        draft.write(bytes(400_000))
        with pytest.raises(InsufficientStorage):
            draft.keep()
    S3Blobs(bucket, scratch).delete(first)
    # Another process has made room: who would be refused looks again, not more often than every other second.
    monkeypatch.setattr("jobs.blobs.bucket._FRESH", 0)
    blobs.put(bytes(400_000))


def test_a_stream_is_stored_whole_or_not_at_all(bucket: str, scratch: Scratch, tmp_path: Path) -> None:
    async def chunks(broken: bool) -> AsyncIterator[bytes]:
        yield b"first "
        if broken:
            raise ConnectionError("the client left")
        yield b"last"

    blobs = S3Blobs(bucket, scratch, listed=0)
    whole = asyncio.run(blobs.put_stream(chunks(False), STORED))
    assert blobs.read(whole) == b"first last"
    with pytest.raises(ConnectionError):
        asyncio.run(blobs.put_stream(chunks(True), STORED))
    assert blobs.orphans(-60) == [whole]
    assert files(tmp_path / "scratch") == []


def test_a_bucket_that_is_not_there_is_a_503(s3: str, scratch: Scratch) -> None:
    blobs = S3Blobs("s3://nobody-has-this-one", scratch)
    for wrong in (lambda: blobs.put(b"x"), lambda: blobs.sweep(0)):
        with pytest.raises(ServiceUnavailable) as refused:
            wrong()
        assert s3 not in refused.value.message


# -- the API with a bucket ---------------------------------------------------------------------------------------


@pytest.fixture
def settings(make_settings: MakeSettings, model_root: Path, tmp_path: Path, bucket: str) -> Settings:
    put_painters(model_root)
    for name, config in (("hears", '{"model_type": "whisper"}'), ("speaks", '{"model_type": "qwen3_tts"}')):
        (model_root / name).mkdir()
        (model_root / name / "config.json").write_text(config)
        (model_root / name / "model.safetensors").write_bytes(bytes(100))
    (tmp_path / "voices").mkdir()
    (tmp_path / "voices" / "ann.wav").write_bytes(hum(250))
    models = {"image_model": "paints", "asr_model": "hears", "tts_model": "speaks"}
    folders = {
        "data_dir": tmp_path / "data",
        "hub_cache": tmp_path / "hub",
        "voices_dir": tmp_path / "voices",
    }
    return make_settings(blob_url=bucket, **models, **folders)


@pytest.fixture
def api(settings: Settings) -> Iterator[ApiServer]:
    with ApiServer(settings) as server:
        yield server


@pytest.fixture
def blobs(bucket: str, scratch: Scratch) -> S3Blobs:
    return S3Blobs(bucket, scratch, listed=0)


def test_images_come_and_go_through_a_bucket(
    http: httpx.Client, blobs: S3Blobs, redis_url: str, tmp_path: Path
) -> None:
    def paint(run: Run) -> None:
        (source,) = [open_image(blobs.read(each), 1e6) for each in run.payload["images"]]
        assert source.size == (64, 48)
        show(run, blobs, EventType.PREVIEW, 0, b"small", step=1)
        finish(run, blobs)

    with ScriptedWorker(redis_url, default=paint, category=Category.IMAGE) as painter:
        whole = http.post("/v1/images/edits", files={"image": PNG}, data={"prompt": "x"}).json()
        assert base64.b64decode(whole["data"][0]["b64_json"]) == made(0)
        job = painter.runs[0].claim.job_id
        assert http.get(f"/v1/jobs/{job}/artifacts/0").content == b"small"
        file = f"/v1/jobs/{job}/artifacts/100"
        answer = http.get(file)
        assert (answer.content, answer.headers["content-type"]) == (made(0), "image/png")
        for wanted, part in (("bytes=10-19", slice(10, 20)), ("bytes=-7", slice(-7, None))):
            ranged = http.get(file, headers={"range": wanted, "if-range": answer.headers["etag"]})
            assert (ranged.status_code, ranged.content) == (206, made(0)[part])
        beyond = http.get(file, headers={"range": "bytes=1000000-"})
        assert (beyond.status_code, beyond.json()["error"]["code"]) == (416, "invalid_range")
        blobs.sweep(-60)
        assert http.get(file).json()["error"]["code"] == "file_not_found"
    assert files(tmp_path / "data" / "scratch") == files(tmp_path / "data" / "blobs") == []


def test_recordings_come_through_a_bucket_and_refused_ones_do_not_stay(
    http: httpx.Client, blobs: S3Blobs, redis_url: str, settings: Settings
) -> None:
    heard: list[bytes] = []

    def hear(run: Run) -> None:
        heard.append(read_local(blobs, run.payload["audio"]))
        run.end(result={"text": "Good day.", "duration": 0.6, "usage": {"seconds": 0.6}})

    def speak(run: Run) -> None:
        heard.append(blobs.read(run.payload["reference"]["audio"]))
        more = {"duration": 1.0, "sample_rate": 24_000, "usage": {"input_tokens": 1, "output_tokens": 1}}
        run.end(result={"audio": blobs.put(b"sound"), "format": "wav", "content_type": "audio/wav", **more})

    with (
        ScriptedWorker(redis_url, default=hear, category=Category.ASR),
        ScriptedWorker(redis_url, default=speak, category=Category.TTS),
    ):
        path = "/v1/audio/transcriptions"
        answer = http.post(path, files={"file": hum()}, data={"response_format": "text"})
        assert answer.text.strip() == "Good day."
        said = {"input": "Hello.", "response_format": "wav"}
        spoken = [
            http.post("/v1/audio/speech", json={**said, "voice": "ann.wav"}),
            http.post(
                "/v1/audio/speech", json={**said, "reference_audio": base64.b64encode(hum(300)).decode()}
            ),
        ]
        assert [each.content for each in spoken] == [b"sound"] * 2, spoken[0].text
    assert heard == [hum(), hum(250), hum(300)]
    left = blobs.orphans(-60)
    assert http.post(path, files={"file": b"no sound"}).status_code == 400
    # It becomes no job: the model is none.
    assert http.post(path, files={"file": hum()}, data={"model": "nobody"}).status_code == 404
    assert blobs.orphans(-60) == left
    assert files(settings.scratch_folder) == []


def test_stored_files_and_batches_are_in_a_bucket(
    sdk: openai.OpenAI, worker: ScriptedWorker, clean_redis: redis.Redis, settings: Settings
) -> None:
    batch = ended(sdk, start(sdk, chats(30)))
    assert texts(rows(sdk, batch.output_file_id)) == {f"say-{n}": f"Number {n}" for n in range(30)}
    assert files(settings.scratch_folder) == files(settings.blob_folder) == []


def test_a_bucket_out_of_reach_is_a_503_and_chats_go_on(
    make_settings: MakeSettings, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("jobs.blobs.bucket._TRIES", 0)
    with ApiServer(make_settings(blob_url="s3://away", data_dir=tmp_path)) as api:
        refused = httpx.post(
            f"{api.url}/v1/files", files={"file": b"x"}, data={"purpose": "batch"}, timeout=60
        )
        assert refused.status_code == 503
        assert "127.0.0.1" not in refused.text
        said = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}]}
        assert httpx.post(f"{api.url}/v1/chat/completions", json=said, timeout=60).status_code == 200
