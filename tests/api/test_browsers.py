"""What browsers are told: which pages may call, and what they may do with answers."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from jobs.blobs import LocalBlobs
from jobs.kinds import Category
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.api.test_speech import put
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import Run, ScriptedWorker

CHAT = "/v1/chat/completions"
DEFENCE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
ASKS = {"origin": "https://friend.example", "access-control-request-method": "POST"}


@pytest.fixture
def sound(
    request: pytest.FixtureRequest,
    make_settings: MakeSettings,
    redis_url: str,
    clean_redis: redis.Redis,
    model_root: Path,
    tmp_path: Path,
) -> Iterator[tuple[httpx.Client, str]]:
    """A server, and the address of a file of 1,000 bytes there. The parameter is what its worker says that it is."""
    content_type = getattr(request, "param", "audio/wav")
    put(model_root / "speaks", {"model_type": "qwen3_tts"})
    blobs = LocalBlobs(tmp_path / "blobs")
    more = {"duration": 0.5, "sample_rate": 24_000, "usage": {"input_tokens": 1, "output_tokens": 1}}

    def speak(run: Run) -> None:
        file = blobs.put(bytes(range(250)) * 4)
        run.end(result={"audio": file, "format": "wav", "content_type": content_type, **more})

    settings = make_settings(tts_model="speaks", data_dir=tmp_path)
    with (
        ScriptedWorker(redis_url, default=speak, category=Category.TTS),
        ApiServer(settings) as api,
        httpx.Client(base_url=api.url, timeout=30) as http,
    ):
        said = {"model": "speaks", "input": "Hello", "background": True}
        job = http.post("/v1/audio/speech", json=said).raise_for_status().json()["id"]
        assert http.get(f"/v1/jobs/{job}?wait=20").json()["status"] == "completed"
        yield http, f"/v1/jobs/{job}/artifacts/0"


def test_a_file_that_is_known_is_not_sent_again(sound: tuple[httpx.Client, str]) -> None:
    http, path = sound
    sent = http.get(path)
    tag, time = sent.headers["etag"], sent.headers["last-modified"]
    for known in ({"if-none-match": tag}, {"if-none-match": f'"x", W/{tag}'}, {"if-modified-since": time}):
        for method in ("GET", "HEAD"):
            answer = http.request(method, path, headers=known)
            assert (answer.status_code, answer.content) == (304, b"")
            assert "content-length" not in answer.headers
            for name in ("etag", "cross-origin-resource-policy", "content-security-policy"):
                assert answer.headers[name] == sent.headers[name]
    assert http.get(path, headers={"if-none-match": '"x"', "if-modified-since": time}).content == sent.content


def test_every_answer_is_what_it_says_it_is(
    http: httpx.Client, api: ApiServer, worker: ScriptedWorker
) -> None:
    answers = [
        http.get("/"),
        http.get("/health"),
        http.get("/docs"),
        http.get("/openapi.json"),
        http.get("/nix"),
        http.head("/v1/models"),
        http.put("/v1/models"),
        http.get("/v1/models", headers={"host": "evil.example"}),
        http.get("/v1/settings", headers={"origin": "https://evil.example"}),
        http.post(CHAT, json=chat()),
        http.post(CHAT, json=chat(stream=True)),
        http.post(CHAT, content=b"{"),
        http.post(CHAT, content=b" " * 11_000_000),
        http.options(CHAT, headers=ASKS),
        http.get("/ws/v1/tts"),
    ]
    for answer in answers:
        told = {name: answer.headers.get(name) for name in DEFENCE}
        assert told == DEFENCE, answer.request.url
    with socket.create_connection(("127.0.0.1", api.port), timeout=60) as connection:
        connection.sendall(b"NONSENSE\r\n\r\n")
        assert b"x-content-type-options: nosniff" in connection.recv(65536)


def test_pages_may_show_files_of_jobs(sound: tuple[httpx.Client, str]) -> None:
    http, file = sound
    answer = http.get(file, headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"})
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (answer.status_code, len(answer.content)) == (200, 1_000)


@pytest.mark.parametrize(
    "sound", ["text/html", "image/svg+xml", "audio/wav\r\nset-cookie: a=b"], indirect=True
)
def test_a_file_is_no_page_whatever_its_worker_says(sound: tuple[httpx.Client, str]) -> None:
    """The worker may be another machine's, and the address is the one of mlxq's own page."""
    http, file = sound
    answer = http.get(file)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-security-policy"].startswith("sandbox;")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ("bytes=0-9", 206),
        ("bytes=-10", 206),
        ("bytes=0-4,10-14", 206),
        ("bytes=1000-", 416),
        ("bytes=2000-3000", 416),
        ("bytes=x", 400),
        ("lines=0-9", 400),
        ("bytes", 400),
        ("bytes=9-1", 400),
    ],
)
def test_a_wrong_range_is_refused_as_everything_else(
    sound: tuple[httpx.Client, str], wanted: str, status: int
) -> None:
    http, file = sound
    answer = http.get(file, headers={"range": wanted})
    assert answer.status_code == status
    if status > 206:
        error = answer.json()["error"]
        assert (error["param"], error["code"]) == ("Range", "invalid_range")
        assert error["message"] == "Invalid 'Range': the file has 1000 bytes."
        assert answer.headers.get("content-range") == ("bytes */1000" if status == 416 else None)
    assert http.get(file).status_code == 200


def test_a_refused_preflight_says_why(make_settings: MakeSettings, worker: ScriptedWorker) -> None:
    settings = make_settings(cors_origins="https://friend.example")
    with ApiServer(settings) as api, httpx.Client(base_url=api.url) as http:
        assert http.options(CHAT, headers=ASKS).status_code == 200
        answer = http.options(CHAT, headers={**ASKS, "origin": "https://evil.example"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_not_allowed")
        assert "access-control-allow-origin" not in answer.headers
        answer = http.options(CHAT, headers={**ASKS, "access-control-request-method": "PATCH"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
        assert answer.headers["access-control-allow-origin"] == "https://friend.example"


def test_the_description_runs_no_scripts(http: httpx.Client, worker: ScriptedWorker) -> None:
    answer = http.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert CHAT in answer.text
    for word in ("<script", "http://", "https://", "src=", "@import"):
        assert word not in answer.text
    assert "paths" in http.get("/openapi.json").json()
    assert http.get("/redoc").status_code == 404
