"""`/v1/files` as OpenAI's SDK uses it: stored, listed, read and deleted, each key its own."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
import redis

from config.settings import Settings
from jobs import keys
from jobs.blobs import LocalBlobs
from jobs.housekeeping import collect, sweep_orphans
from tests.api.conftest import MakeSettings
from tests.support.api_server import ApiServer
from tests.support.openai_shape import check_shape

DATA = b'{"a": 1}\n' * 1000


@pytest.fixture
def settings(make_settings: MakeSettings, tmp_path: Path) -> Settings:
    return make_settings(data_dir=tmp_path / "data", max_file_mb=2, max_files=6)


@pytest.fixture
def api(settings: Settings) -> Iterator[ApiServer]:
    with ApiServer(settings) as server:
        yield server


def stored(sdk: openai.OpenAI, name: str = "a.jsonl", purpose: str = "batch", data: bytes = DATA) -> str:
    return sdk.files.create(file=(name, data), purpose=purpose).id  # type: ignore[arg-type]


def test_a_file_is_stored_and_read_again(sdk: openai.OpenAI, http: httpx.Client) -> None:
    file = sdk.files.create(
        file=("../up/requests é.jsonl", DATA),
        purpose="batch",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert (file.filename, file.bytes, file.status) == ("requests é.jsonl", len(DATA), "processed")
    assert file.expires_at == file.created_at + 3600
    assert sdk.files.retrieve(file.id) == file
    assert sdk.files.content(file.id).content == DATA
    shown = http.get(f"/v1/files/{file.id}").json()
    check_shape("OpenAIFile", shown)
    deleted = http.delete(f"/v1/files/{file.id}").json()
    check_shape("DeleteFileResponse", deleted)
    assert deleted["deleted"] is True
    for path in (f"/v1/files/{file.id}", f"/v1/files/{file.id}/content"):
        assert http.get(path).status_code == 404
    with pytest.raises(openai.NotFoundError):
        sdk.files.delete(file.id)


def test_only_files_of_batches_expire_by_themselves(sdk: openai.OpenAI) -> None:
    batch = sdk.files.create(file=("a", b"x"), purpose="batch")
    assert batch.expires_at == batch.created_at + 30 * 86_400
    assert sdk.files.create(file=("a", b"x"), purpose="user_data").expires_at is None


def test_files_are_listed_by_pages(sdk: openai.OpenAI, http: httpx.Client) -> None:
    ids = [stored(sdk, purpose=purpose) for purpose in ("batch", "user_data", "batch", "vision", "batch")]
    assert [file.id for file in sdk.files.list(limit=2)] == ids[::-1]
    assert [file.id for file in sdk.files.list(limit=2, order="asc")] == ids
    assert [file.id for file in sdk.files.list(purpose="batch")] == ids[4::-2]
    first = http.get("/v1/files", params={"limit": 2}).json()
    check_shape("ListFilesResponse", first)
    assert (first["first_id"], first["last_id"], first["has_more"]) == (ids[4], ids[3], True)
    sdk.files.delete(ids[2])
    last = http.get("/v1/files", params={"limit": 3, "after": ids[3]}).json()
    assert ([row["id"] for row in last["data"]], last["has_more"]) == ([ids[1], ids[0]], False)
    assert http.get("/v1/files", params={"after": ids[2]}).status_code == 400


EXPIRY = "expires_after"
#: Fields of a form, the file, and the field that is wrong.
WRONG: list[tuple[dict[str, str], bytes | None, str]] = [
    ({"purpose": "batch"}, None, "file"),
    ({"purpose": "mischief"}, b"x", "purpose"),
    ({}, b"x", "purpose"),
    (
        {"purpose": "batch", f"{EXPIRY}[anchor]": "created_at", f"{EXPIRY}[seconds]": "5"},
        b"x",
        f"{EXPIRY}.seconds",
    ),
    (
        {"purpose": "batch", f"{EXPIRY}[anchor]": "now", f"{EXPIRY}[seconds]": "3600"},
        b"x",
        f"{EXPIRY}.anchor",
    ),
    ({"purpose": "batch", EXPIRY: "soon"}, b"x", EXPIRY),
]


def test_wrong_forms_are_refused(http: httpx.Client) -> None:
    for form, file, param in WRONG:
        files = {"other": b"x"} if file is None else {"file": ("a", file)}
        answer = http.post("/v1/files", data=form, files=files)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert http.get("/v1/files").json()["data"] == []


def test_what_is_no_form_or_too_large_or_too_many_is_refused(http: httpx.Client, sdk: openai.OpenAI) -> None:
    assert http.post("/v1/files", json={"purpose": "batch"}).status_code == 400
    large = http.post("/v1/files", data={"purpose": "batch"}, files={"file": ("a", bytes(4 << 20))})
    assert large.status_code == 413
    for _ in range(6):
        stored(sdk, data=b"x")
    with pytest.raises(openai.APIStatusError, match="MAX_FILES") as full:
        stored(sdk, data=b"x")
    assert full.value.status_code == 507


def test_a_key_sees_its_own_files(make_settings: MakeSettings, tmp_path: Path) -> None:
    settings = make_settings(api_keys="ann,bob", admin_keys="chief", data_dir=tmp_path / "data")
    with ApiServer(settings) as api:
        ann, bob, chief = (
            openai.OpenAI(base_url=f"{api.url}/v1", api_key=key, max_retries=0)
            for key in ("ann", "bob", "chief")
        )
        file_id = stored(ann)
        for verb in (bob.files.retrieve, bob.files.content, bob.files.delete):
            with pytest.raises(openai.NotFoundError):
                verb(file_id)
        assert list(bob.files.list()) == []
        assert [file.id for file in chief.files.list()] == [file_id]
        with pytest.raises(openai.BadRequestError):
            bob.files.list(after=file_id)
        with pytest.raises(openai.NotFoundError):
            bob.batches.create(input_file_id=file_id, endpoint="/v1/embeddings", completion_window="24h")
        assert ann.files.content(file_id).content == DATA
        for each in (ann, bob, chief):
            each.close()


def test_blobs_go_with_their_files_and_not_before(
    sdk: openai.OpenAI, settings: Settings, clean_redis: redis.Redis
) -> None:
    blobs = LocalBlobs(settings.blob_folder)
    kept, gone = stored(sdk), stored(sdk)
    assert sweep_orphans(clean_redis, blobs, age=-1) == 0
    sdk.files.delete(gone)
    assert collect(clean_redis, blobs) == 1
    assert sdk.files.content(kept).content == DATA
    # A crash between both steps leaves a blob that nobody names.
    blobs.put(b"left", "stored")
    assert sweep_orphans(clean_redis, blobs, age=-1) == 1
    assert sdk.files.content(kept).content == DATA


def test_an_expired_file_is_not_there(sdk: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    file_id = stored(sdk)
    late = time.time() + 31 * 86_400
    monkeypatch.setattr("jobs.redis.clock.SharedClock.now", lambda _: late)
    with pytest.raises(openai.NotFoundError):
        sdk.files.retrieve(file_id)
    assert list(sdk.files.list()) == []


def test_pages_of_the_web_store_nothing(http: httpx.Client, clean_redis: redis.Redis) -> None:
    origin = {"origin": "https://evil.example"}
    answer = http.post("/v1/files", data={"purpose": "batch"}, files={"file": ("a", b"x")}, headers=origin)
    assert (answer.status_code, clean_redis.zcard(keys.STORED_FILES)) == (403, 0)
    assert http.get("/v1/files", headers=origin).status_code == 403
