"""Forms as clients write them: names of lists, files with odd names or none, fields that say nothing."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import redis

from jobs.kinds import Category
from tests.api.conftest import MakeSettings
from tests.api.test_bad_input import check
from tests.api.test_speech import put
from tests.support.api_server import ApiServer
from tests.support.audio_samples import hum
from tests.support.images import encoded, picture
from tests.support.scripted_worker import ScriptedWorker

EDGE = "----WebKitFormBoundaryAbC"
KIND = f"multipart/form-data; boundary={EDGE}"
LATER = {"prefer": "respond-async"}
PNG = encoded(picture(1, 32, 32))
SOUND = hum(seconds=0.2)


def part(disposition: str, content: bytes | str, *more: str) -> bytes:
    head = "\r\n".join((f"Content-Disposition: form-data; {disposition}", *more))
    body = content if isinstance(content, bytes) else content.encode()
    return f"--{EDGE}\r\n{head}\r\n\r\n".encode() + body + b"\r\n"


Post = Callable[..., httpx.Response]


@pytest.fixture
def post(
    make_settings: MakeSettings, model_root: Any, clean_redis: redis.Redis, tmp_path: Any
) -> Iterator[Post]:
    """Parts of a form to an address, for a job that nobody waits for."""
    put(model_root / "hears", {"model_type": "whisper"})
    put(model_root / "paints", {"model_type": "z_image"})
    settings = make_settings(data_dir=tmp_path, asr_model="hears", image_model="paints")
    with ApiServer(settings) as api, httpx.Client(base_url=api.url, timeout=30, headers=LATER) as http:

        def send(path: str, *parts: bytes, end: str = f"--{EDGE}--\r\n", kind: str = KIND) -> httpx.Response:
            headers = {"content-type": kind}
            return http.post(path, content=b"".join(parts) + end.encode(), headers=headers)

        yield send


@pytest.fixture
def hearer(redis_url: str, clean_redis: redis.Redis) -> Iterator[ScriptedWorker]:
    with ScriptedWorker(redis_url, category=Category.ASR, default=lambda run: run.cancelled()) as worker:
        yield worker


@pytest.fixture
def painter(redis_url: str, clean_redis: redis.Redis) -> Iterator[ScriptedWorker]:
    with ScriptedWorker(redis_url, category=Category.IMAGE, default=lambda run: run.cancelled()) as worker:
        yield worker


def payload(worker: ScriptedWorker) -> dict[str, Any]:
    assert worker.claimed.acquire(timeout=60)
    return worker.runs[-1].payload


AUDIO = "/v1/audio/transcriptions"


@pytest.mark.parametrize(
    ("disposition", "more"),
    [
        ('name="file"; filename="a.wav"', ("Content-Type: audio/wav",)),
        ("name=file; filename=a.wav", ()),
        ("name=\"file\"; filename*=UTF-8''na%C3%AFve.wav", ()),
        ("name=\"file\"; FileName*=utf-8'en'a.wav", ("Content-Type: audio/wav",)),
        ('name="file"; filename="a.wav"; filename*=UTF-8\'\'b.wav', ()),
        ('name="file"; filename=""', ()),
        ('name="file"', ()),
        ('name="file"', ("Content-Type: application/octet-stream",)),
        ('name="file[]"; filename="a.wav"', ()),
        ('name="file[0]"; filename="a.wav"', ()),
    ],
    ids=str,
)
def test_a_file_is_found(post: Post, hearer: ScriptedWorker, disposition: str, more: tuple[str, ...]) -> None:
    answer = post(AUDIO, part('name="model"', "hears"), part(disposition, SOUND, *more))
    assert answer.status_code == 202, answer.text
    assert payload(hearer)["audio"]


@pytest.mark.parametrize(
    "text", [base64.b64encode(SOUND).decode(), f"data:audio/wav;base64,{base64.b64encode(SOUND).decode()}"]
)
def test_a_text_may_stand_for_a_file(post: Post, hearer: ScriptedWorker, text: str) -> None:
    answer = post(AUDIO, part('name="model"', "hears"), part('name="file"', text))
    assert answer.status_code == 202, answer.text
    assert payload(hearer)["audio"]


def test_a_form_that_was_cut_off_is_told(post: Post) -> None:
    parts = part('name="model"', "hears"), part('name="file"; filename="a.wav"', SOUND)
    assert "cut off" in check(post(AUDIO, *parts, end=""))["message"]


@pytest.mark.parametrize("path", [AUDIO, "/v1/images/generations"])
def test_json_may_be_called_a_form(
    post: Post, hearer: ScriptedWorker, painter: ScriptedWorker, path: str
) -> None:
    """As `curl -d` calls it."""
    body = {"model": "hears", "file": base64.b64encode(SOUND).decode()}
    if path != AUDIO:
        body = {"model": "paints", "prompt": "A boat"}
    answer = post(path, end=json.dumps(body), kind="application/x-www-form-urlencoded")
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize("parts", [(), (part('name="file"', ""),), (part('name="file"; filename=""', b""),)])
def test_no_file_is_told(post: Post, parts: tuple[bytes, ...]) -> None:
    error = check(post(AUDIO, part('name="model"', "hears"), *parts))
    assert (error["param"], error["code"]) == ("file", "missing_required_parameter")


@pytest.mark.parametrize(
    "fields",
    [
        [("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment")],
        [("timestamp_granularities[0]", "word"), ("timestamp_granularities[1]", "segment")],
        [("timestamp_granularities[1]", "segment"), ("timestamp_granularities[0]", "word")],
        [("timestamp_granularities", "word"), ("timestamp_granularities", "segment")],
        [("timestamp_granularities", '["word", "segment"]')],
    ],
    ids=str,
)
def test_a_list_is_read(post: Post, hearer: ScriptedWorker, fields: list[tuple[str, str]]) -> None:
    parts = [part(f'name="{name}"', value) for name, value in [*fields, ("response_format", "verbose_json")]]
    answer = post(AUDIO, part('name="file"; filename="a"', SOUND), part('name="model"', "hears"), *parts)
    assert answer.status_code == 202, answer.text
    assert "warning" not in answer.headers
    assert payload(hearer)["words"] is True


def test_an_item_that_is_wrong_is_named(post: Post) -> None:
    parts = [part(f'name="timestamp_granularities[{n}]"', value) for n, value in enumerate(("word", "verse"))]
    error = check(post(AUDIO, part('name="file"; filename="a"', SOUND), *parts))
    assert error["param"] == "timestamp_granularities[1]"


def test_fields_without_content_and_of_no_meaning(post: Post, hearer: ScriptedWorker) -> None:
    parts = [
        part(f'name="{name}"', value) for name, value in (("language", ""), ("a[b]", "c"), ("prompt", "Hm"))
    ]
    answer = post(AUDIO, part('name="file"; filename="a"', SOUND), part('name="model"', "hears"), *parts)
    assert answer.status_code == 202, answer.text
    assert "ignored fields" in answer.headers["warning"]
    told = payload(hearer)
    assert told["prompt"] == "Hm"
    assert "language" not in told


@pytest.mark.parametrize(
    "names",
    [
        ('name="image"; filename="a.png"',),
        ("name=\"image\"; filename*=UTF-8''a.png",),
        ('name="image"',),
        ('name="image[0]"; filename="a.png"',),
        ('name="image[]"; filename="a.png"',),
        ('name="images"; filename="a.png"',),
    ],
)
def test_a_picture_is_found(post: Post, names: tuple[str, ...]) -> None:
    parts = [part(name, PNG, "Content-Type: image/png") for name in names]
    answer = post("/v1/images/edits", part('name="prompt"', "A fox"), *parts)
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize(
    "names",
    [("image[1]", "image[0]"), ("image[]", "image[]"), ("image", "image"), ("images[]", "images[]")],
)
def test_all_pictures_are_found(post: Post, painter: ScriptedWorker, names: tuple[str, ...]) -> None:
    parts = [part(f'name="{name}"; filename="a.png"', PNG) for name in names]
    answer = post("/v1/images/edits", part('name="prompt"', "A fox"), *parts)
    assert answer.status_code == 202, answer.text
    assert len(payload(painter)["images"]) == 2


def test_an_empty_mask_is_none(post: Post) -> None:
    parts = [part('name="image"; filename="a.png"', PNG), part('name="mask"; filename=""', b"")]
    answer = post("/v1/images/edits", part('name="prompt"', "A fox"), *parts)
    assert answer.status_code == 202, answer.text


def test_loras_are_a_list_in_every_way(post: Post) -> None:
    for fields in (
        [("loras", "nix-a")],
        [("loras[]", "nix-a"), ("loras[]", "nix-b")],
        [("loras[0]", "nix-a")],
        [("loras", '[{"path": "nix-a", "scale": 0.5}]')],
    ):
        parts = [part(f'name="{name}"', value) for name, value in fields]
        answer = post("/v1/images/generations", part('name="prompt"', "A fox"), *parts)
        assert "nix-a" in check(answer)["message"]
    wrong = part('name="loras"', '[{"path": ')
    assert check(post("/v1/images/generations", part('name="prompt"', "x"), wrong))["param"] == "loras"
