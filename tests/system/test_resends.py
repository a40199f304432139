"""Impatient clients of long prompts: however often they leave and ask again, the prompt is read once."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.counted_worker import Reading
from tests.support.system import System

pytestmark = pytest.mark.slow

#: Tokens of the prompts here, one for each character.
LONG = 3000


class CountedSystem(System):
    """Its worker counts what it reads."""

    def start_worker(self) -> None:
        self.worker = self._spawn("tests.support.counted_worker")


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    return Reading(tmp_path_factory.mktemp("counted"))


@pytest.fixture(scope="module")
def counted(models: Path, reading: Reading) -> Iterator[System]:
    running = CountedSystem(models, "first", COUNTED=reading.folder).start()
    yield running
    reading.go_on()
    running.stop()


@pytest.fixture(autouse=True)
def let_go(reading: Reading) -> Iterator[None]:
    yield
    reading.go_on()


def text(name: str) -> str:
    return "".join(f"{name} {number} " for number in range(LONG))[:LONG]


#: Requests as clients send them: path, headers, body. Claude Code asks for no stream after a broken one.
SHAPES: dict[str, tuple[str, dict[str, str], Any, bool]] = {
    "codex": (
        "/v1/responses",
        {"accept": "text/event-stream", "originator": "codex_exec", "session-id": "s-1"},
        lambda said: {
            "model": "first",
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": said}]}],
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "max_output_tokens": 8,
        },
        True,
    ),
    "claude": (
        "/v1/messages?beta=true",
        {"anthropic-version": "2023-06-01", "x-app": "cli", "x-stainless-retry-count": "0"},
        lambda said: {
            "model": "first",
            "messages": [{"role": "user", "content": [{"type": "text", "text": said}]}],
            "max_tokens": 8,
        },
        False,
    ),
    "sdk": (
        "/v1/chat/completions",
        {"user-agent": "OpenAI/Python 3.57.0", "x-stainless-retry-count": "0"},
        lambda said: {"model": "first", "messages": [{"role": "user", "content": said}], "max_tokens": 8},
        True,
    ),
}


def jobs_of(system: System, before: set[str]) -> list[dict[str, Any]]:
    listed = system.http.get("/v1/jobs?limit=100").json()["data"]
    return [job for job in listed if job["id"] not in before]


class Impatient:
    """A client that sends a request and leaves."""

    def __init__(self, system: System, path: str, body: dict[str, Any], headers: dict[str, str]) -> None:
        raw = json.dumps(body).encode()
        sent = {"host": "localhost", "content-type": "application/json", **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        self._socket = socket.create_connection(("127.0.0.1", system.port), timeout=60)
        head = f"POST {path} HTTP/1.1\r\n{lines}content-length: {len(raw)}\r\n\r\n"
        self._socket.sendall(head.encode() + raw)

    def leave(self) -> None:
        self._socket.close()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_prompt_is_read_once_however_often_its_client_leaves(
    counted: System, reading: Reading, shape: str
) -> None:
    path, headers, body_of, streams_at_last = SHAPES[shape]
    body = body_of(text(shape))
    before = {job["id"] for job in jobs_of(counted, set())}
    start = reading.tokens
    for share in (0.1, 0.5, 0.9, 0.9, 0.9):
        reading.hold(start + int(share * LONG))
        client = Impatient(counted, path, {**body, "stream": True}, headers)
        counted.wait_until(lambda share=share: reading.tokens >= start + share * LONG, "it does not read")
        counted.wait_until(
            lambda: any(not job["lingers_until"] for job in jobs_of(counted, before)), "it does not attach"
        )
        client.leave()
        counted.wait_until(
            lambda: all(job["lingers_until"] for job in jobs_of(counted, before)), "it does not linger"
        )
    reading.go_on()
    answer = counted.http.post(path, json={**body, "stream": streams_at_last}, headers=headers)
    assert answer.status_code == 200
    (job,) = jobs_of(counted, before)
    assert answer.headers["x-request-id"] == job["id"]
    assert job["status"] == "completed"
    assert LONG <= reading.tokens - start <= 1.05 * LONG


def test_the_client_of_a_killed_api_finds_its_job(counted: System, reading: Reading) -> None:
    path, headers, body_of, _ = SHAPES["sdk"]
    body = body_of(text("killed"))
    before = {job["id"] for job in jobs_of(counted, set())}
    start = reading.tokens
    reading.hold(start + LONG // 2)
    client = Impatient(counted, path, body, headers)
    counted.wait_until(lambda: reading.tokens >= start + LONG // 2, "it does not read")
    counted.kill_api()
    client.leave()
    counted.start_api()
    reading.go_on()
    answer = counted.http.post(path, json=body, headers=headers).json()
    (job,) = jobs_of(counted, before)
    assert answer["id"] == job["id"]
    assert reading.tokens - start <= 1.05 * LONG


def test_a_chat_that_was_stopped_makes_no_more_than_a_little(counted: System, reading: Reading) -> None:
    """Who presses stop wastes nothing; who asks again gets the rest."""
    body = {
        "model": "first",
        "messages": [{"role": "user", "content": "stop"}],
        "max_tokens": 400,
        "stream": True,
        "ignore_eos": True,
        "temperature": 0,
    }
    before = {job["id"] for job in jobs_of(counted, set())}
    with counted.http.stream("POST", "/v1/chat/completions", json=body) as answer:
        lines = answer.iter_lines()
        while "content" not in next(lines):
            pass
    (job,) = jobs_of(counted, before)
    counted.wait_until(lambda: counted.job(job["id"])["lingers_until"], "it does not linger")
    # Another chat of many steps runs beside it.
    other = {**body, "messages": [{"role": "user", "content": "go"}], "stream": False}
    assert counted.http.post("/v1/chat/completions", json=other).json()["usage"]["completion_tokens"] == 400
    stopped = counted.job(job["id"])
    assert stopped["status"] == "in_progress"
    again = counted.http.post("/v1/chat/completions", json={**body, "stream": False}).json()
    assert again["id"] == job["id"]
    assert again["usage"]["completion_tokens"] == 400
