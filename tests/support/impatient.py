"""Impatient clients: requests as agents and SDKs send them, on sockets that close at any moment.

`read_once` is the story of all of them: they leave while their prompt is read, and ask again.
"""

import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.counted_worker import Reading
from tests.support.system import System


class CountedSystem(System):
    """Its worker counts what it reads; COUNTED names the folder of its `Reading`."""

    def start_worker(self) -> None:
        self.worker = self._spawn("tests.support.counted_worker")


@dataclass(frozen=True)
class Shape:
    """How a client asks; `ends_with_stream`: whether it still asks for a stream after broken ones."""

    path: str
    headers: dict[str, str]
    body: Callable[[str], dict[str, Any]]
    ends_with_stream: bool


#: Claude Code asks for no stream after a broken one. None of them says that it asks again.
SHAPES = {
    "codex": Shape(
        "/v1/responses",
        {"accept": "text/event-stream", "originator": "codex_exec", "session-id": "s-1", "thread-id": "t-1"},
        lambda said: {
            "model": "default",
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": said}]}],
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "max_output_tokens": 8,
        },
        True,
    ),
    "claude": Shape(
        "/v1/messages?beta=true",
        {"anthropic-version": "2023-06-01", "x-app": "cli", "x-stainless-retry-count": "0"},
        lambda said: {
            "model": "default",
            "messages": [{"role": "user", "content": [{"type": "text", "text": said}]}],
            "max_tokens": 8,
        },
        False,
    ),
    "sdk": Shape(
        "/v1/chat/completions",
        {"user-agent": "OpenAI/Python 3.57.0", "x-stainless-retry-count": "0"},
        lambda said: {"model": "default", "messages": [{"role": "user", "content": said}], "max_tokens": 8},
        True,
    ),
}


class Impatient:
    """A client that sends a request and does not read the answer."""

    def __init__(self, system: System, shape: Shape, body: dict[str, Any]) -> None:
        raw = json.dumps(body).encode()
        sent = {"host": "localhost", "content-type": "application/json", **shape.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        self._socket = socket.create_connection(("127.0.0.1", system.port), timeout=60)
        head = f"POST {shape.path} HTTP/1.1\r\n{lines}content-length: {len(raw)}\r\n\r\n"
        self._socket.sendall(head.encode() + raw)

    def leave(self) -> None:
        self._socket.close()


def jobs_of(system: System, before: set[str]) -> list[dict[str, Any]]:
    """The jobs that have come since."""
    listed = system.http.get("/v1/jobs?limit=100").json()["data"]
    return [job for job in listed if job["id"] not in before]


@dataclass(frozen=True)
class Story:
    """What came of it: tokens of the prompt, tokens read in all, the ids of jobs, and whether there was an answer."""

    prompt: int
    read: int
    jobs: list[str]
    answered: str

    @property
    def one(self) -> bool:
        """Whether the answer is that of the only job."""
        return self.jobs == [self.answered]


def read_once(system: System, reading: Reading, shape: Shape, text: str, shares: Sequence[float]) -> Story:
    """A client leaves at each of these shares of its prompt, and then waits for its answer."""
    body = shape.body(text)
    before = {job["id"] for job in jobs_of(system, set())}
    start, length = reading.tokens, len(text)
    for share in shares:
        point = start + int(share * length)
        reading.hold(point)
        client = Impatient(system, shape, {**body, "stream": True})
        system.wait_until(lambda point=point: reading.tokens >= point, "it does not read", 600)
        system.wait_until(
            lambda: any(not job["lingers_until"] for job in jobs_of(system, before)), "it does not attach"
        )
        client.leave()
        system.wait_until(
            lambda: all(job["lingers_until"] for job in jobs_of(system, before)), "it does not linger"
        )
    reading.go_on()
    answer = system.http.post(
        shape.path, json={**body, "stream": shape.ends_with_stream}, headers=shape.headers, timeout=600
    )
    answer.raise_for_status()
    ids = [job["id"] for job in jobs_of(system, before)]
    return Story(length, reading.tokens - start, ids, answer.headers["x-request-id"])
