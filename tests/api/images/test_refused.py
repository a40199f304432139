"""`/v1/images`: what is refused before anything is queued."""

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import redis

from jobs.blobs import BlobStore
from tests.support.api_server import ApiServer
from tests.support.images import data_url, encoded, picture
from tests.support.openai_shape import check_shape
from tests.support.painter import PNG, bomb, mask, paint
from tests.support.scripted_worker import ScriptedWorker


@pytest.mark.parametrize(
    ("fields", "status", "param", "words"),
    [
        ({"prompt": None}, 400, "prompt", "Missing"),
        ({"prompt": " "}, 400, "prompt", "empty"),
        ({"prompt": "x" * 32_001}, 400, "prompt", "32000"),
        ({"n": 0}, 400, "n", "1"),
        ({"n": 11}, 400, "n", "10"),
        ({"n": 1.5}, 400, "n", "integer"),
        ({"size": "100x100"}, 400, "size", "multiples of 16"),
        ({"size": "0x1024"}, 400, "size", "more than 0"),
        ({"size": "100000x100000"}, 400, "size", "2048 pixels"),
        ({"size": "1024"}, 400, "size", "'1024x1024'"),
        ({"size": "-16x16"}, 400, "size", "'1024x1024'"),
        ({"size": "9999999999999x16"}, 400, "size", "'1024x1024'"),
        ({"strength": 2}, 400, "strength", "1"),
        ({"strength": -0.1}, 400, "strength", "0"),
        ({"steps": 0}, 400, "steps", "1"),
        ({"steps": 101}, 400, "steps", "100"),
        ({"guidance": 31}, 400, "guidance", "30"),
        ({"seed": 1.5}, 400, "seed", "integer"),
        ({"partial_images": 4}, 400, "partial_images", "3"),
        ({"output_format": "gif"}, 400, "output_format", "'png'"),
        ({"output_compression": 101}, 400, "output_compression", "100"),
        ({"response_format": "file"}, 400, "response_format", "'url'"),
        ({"quality": "best"}, 400, "quality", "'low'"),
        ({"background": 2}, 400, "background", "true"),
        ({"background": "transparent"}, 400, "background", "transparent"),
        ({"on_disconnect": "wait"}, 400, "on_disconnect", "'keep'"),
        ({"loras": [{"scale": 1}]}, 400, "loras[0].path", "Missing"),
        ({"loras": ["styles"] * 9}, 400, "loras", "8"),
        ({"image": "###"}, 400, "image", "not in base64"),
        ({"image": "abcd"}, 400, "image", "no JPEG"),
        ({"image": "héllo"}, 400, "image", "base64"),
        ({"image": "data:image/png,abc"}, 400, "image", "base64"),
        ({"image": base64.b64encode(PNG[:200]).decode()}, 400, "image", "can't be used"),
        ({"image": base64.b64encode(bomb()).decode()}, 400, "image", "pixels"),
        ({"image": "http://127.0.0.1:1/a.png"}, 400, "image", "public address"),
        ({"image": "/etc/passwd"}, 400, "image", "can't be used"),
        ({"image": [base64.b64encode(PNG).decode()] * 2}, 400, "image", "takes 1"),
        ({"image": [data_url(PNG)] * 2, "strength": 1, "model": "klein"}, 400, "image", "takes 1 with"),
        ({"image": [data_url(PNG)] * 5, "model": "klein"}, 400, "image", "takes 4"),
        ({"image": "A" * 3_000_000}, 413, "image", "2 MB"),
        ({"model": "tiny"}, 400, "model", "'llm'"),
        ({"model": "nobody-knows"}, 404, "model", "does not exist"),
    ],
)
def test_bad_input_never_reaches_the_queue(
    fields: dict[str, Any],
    status: int,
    param: str,
    words: str,
    strict_api: httpx.Client,
    clean_redis: redis.Redis,
) -> None:
    answer = paint(strict_api, **fields)
    check_shape("ErrorResponse", answer.json())
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (status, param), error
    assert words in error["message"]
    assert not clean_redis.keys("rq:job:*")


@pytest.mark.parametrize(
    ("files", "data", "param", "words"),
    [
        ({}, {}, "image", "Missing"),
        ({"image": PNG}, {"prompt": ""}, "prompt", "Missing"),
        ({"image": b"no picture"}, {}, "image", "no JPEG"),
        ({"image": b""}, {}, "image", "no JPEG"),
        ({"image": bomb()}, {}, "image", "pixels"),
        ({"image": PNG, "mask": bomb()}, {}, "mask", "pixels"),
        ({"image": PNG, "mask": mask(48, 64)}, {}, "mask", "48x64 in size, and its image 64x48"),
        ({"image": PNG, "mask": PNG}, {}, "mask", "transparent"),
        ({"image": PNG, "mask": encoded(picture(1, 64, 48).convert("RGBA"))}, {}, "mask", "transparent"),
        ({"image": PNG}, {"size": "100x100"}, "size", "multiples of 16"),
        ({"image": PNG}, {"n": "11"}, "n", "10"),
        ({"image": PNG}, {"n": "many"}, "n", "integer"),
        ({"image": PNG}, {"strength": "2"}, "strength", "1"),
        ({"image": PNG}, {"strength": "nan"}, "strength", "finite"),
        ({"image": PNG}, {"background": "maybe"}, "background", "'opaque'"),
        ({"image": PNG}, {"loras": "[1"}, "loras", "JSON"),
    ],
)
def test_bad_forms_never_reach_the_queue(
    files: dict[str, bytes],
    data: dict[str, str],
    param: str,
    words: str,
    strict_api: httpx.Client,
    clean_redis: redis.Redis,
) -> None:
    fields = {"prompt": "x", **data}
    parts = [(name, (None, value.encode())) for name, value in fields.items()]
    answer = strict_api.post("/v1/images/edits", files=[*files.items(), *parts])
    error = answer.json()["error"]
    assert answer.status_code == 400, error
    assert error["param"] == param, error
    assert words in error["message"]
    assert not clean_redis.keys("rq:job:*")


def test_nothing_is_accepted_that_the_disk_has_no_room_for(
    make_api: Callable[..., ApiServer], painter: ScriptedWorker, blobs: BlobStore
) -> None:
    limit = 8 << 20
    with httpx.Client(base_url=make_api(disk_limit_gb=limit / 1024**3).url, timeout=30) as http:
        assert paint(http, size="1024x1024").status_code == 200
        ballast = blobs.put(bytes(limit - (3 << 20)))
        answer = paint(http, size="1024x1024")
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (507, "insufficient_storage")
        assert "DISK_LIMIT_GB" in error["message"]
        assert answer.headers["x-should-retry"] == "false"
        assert len(painter.runs) == 1
        assert paint(http, size="512x512").status_code == 200
        blobs.delete(ballast)
        assert paint(http, size="1024x1024").status_code == 200
