"""Clients that leave while jobs do not linger: they are cancelled at once, unless somebody else still wants them.

What becomes of jobs that linger is told in `test_resends.py`.
"""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import httpx
import pytest
import redis

from jobs import keys
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.support.api_server import ApiServer
from tests.support.jobs import waiting
from tests.support.raw_http import read_answer
from tests.support.scripted_worker import Run, ScriptedWorker
from tests.support.waits import wait_for


class Listening(Protocol):
    port: int


class RawClient:
    """A request on a socket, which can be closed at any moment."""

    def __init__(
        self, api: Listening, body: dict[str, Any], path: str = "/v1/chat/completions", **headers: str
    ) -> None:
        raw = json.dumps(body).encode()
        lines = {"host": "localhost", "content-length": str(len(raw)), **headers}
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
        self._socket = socket.create_connection(("127.0.0.1", api.port), timeout=60)
        self._request = f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + raw
        self.send(self._request)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def send_again(self) -> None:
        """The same request, without having read the answer."""
        self.send(self._request)

    def read(self) -> bytes:
        """What comes next, be it a part of the answer."""
        return self._socket.recv(65536)

    def answer(self) -> bytes:
        """The whole answer, where it is no stream."""
        return read_answer(self._socket)

    def leave(self) -> None:
        self._socket.close()


Connect = Callable[..., RawClient]


@pytest.fixture
def api(make_settings: MakeSettings) -> Iterator[ApiServer]:
    with ApiServer(make_settings(linger_time=0)) as server:
        yield server


@pytest.fixture
def connect(api: ApiServer) -> Iterator[Connect]:
    with contextlib.ExitStack() as clients:

        def connect(body: dict[str, Any], **headers: str) -> RawClient:
            client = RawClient(api, body, **headers)
            clients.callback(client.leave)
            return client

        yield connect


class Witness:
    """A script that waits for the cancellation of its job."""

    def __init__(self) -> None:
        self.saw: list[bool] = []
        self.done = threading.Event()

    def __call__(self, run: Run) -> None:
        run.say("word ")
        self.saw.append(run.until_cancelled())
        run.cancelled()
        self.done.set()


def status_of(connection: redis.Redis, job_id: str) -> bytes | None:
    status: Any = connection.hget(keys.job(job_id), "status")
    return status if status is None else bytes(status)


@pytest.mark.parametrize("streams", [False, True])
def test_a_running_job_is_cancelled(connect: Connect, worker: ScriptedWorker, streams: bool) -> None:
    witness = Witness()
    worker.play(witness)
    client = connect(chat(stream=streams))
    assert worker.claimed.acquire(timeout=60)
    if streams:
        assert client.read().startswith(b"HTTP/1.1 200")
    client.leave()
    assert witness.done.wait(60)
    assert witness.saw == [True]


@pytest.mark.parametrize("streams", [False, True])
def test_a_client_that_asks_on_before_its_answer_may_leave_too(
    connect: Connect, worker: ScriptedWorker, streams: bool, caplog: pytest.LogCaptureFixture
) -> None:
    witness = Witness()
    worker.play(witness)
    client = connect(chat(stream=streams))
    assert worker.claimed.acquire(timeout=60)
    client.send_again()
    client.send(b"GET /health HTTP/1.1\r\n")
    client.leave()
    assert witness.done.wait(60)
    assert witness.saw == [True]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("streams", [False, True])
def test_a_waiting_job_never_starts(
    connect: Connect, worker: ScriptedWorker, clean_redis: redis.Redis, http: httpx.Client, streams: bool
) -> None:
    worker.pause()
    client = connect(chat("left", stream=streams))
    ids: list[str] = []
    while not ids:
        ids = waiting(clean_redis)
    client.leave()
    while status_of(clean_redis, ids[0]) != b"canceled":
        pass
    worker.resume()
    assert http.post("/v1/chat/completions", json=chat("stayed")).status_code == 200
    assert [run.payload["messages"][0]["content"] for run in worker.runs] == ["stayed"]


def test_a_job_that_another_call_waits_for_goes_on(
    api: ApiServer, connect: Connect, worker: ScriptedWorker
) -> None:
    """The connection of the first call is half dead when the SDK's second one attaches to its job."""
    go_on = threading.Event()

    def play(run: Run) -> None:
        assert go_on.wait(60)
        run.complete("for the second")

    worker.play(play)
    first = connect(chat())
    assert worker.claimed.acquire(timeout=60)
    second = connect(chat(), x_stainless_retry_count="1")
    clients, job_id = api.jobs._callers._waiting, worker.runs[0].claim.job_id
    wait_for(lambda: len(clients.get(job_id, ())) == 2)
    first.leave()
    wait_for(lambda: len(clients.get(job_id, ())) == 1)
    assert b"then" in connect(chat("then")).answer()
    go_on.set()
    assert b"for the second" in second.answer()
    assert len(worker.runs) == 2


@pytest.mark.parametrize("streams", [False, True])
def test_a_job_outlives_the_server_that_stops(
    make_settings: MakeSettings, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch, streams: bool
) -> None:
    monkeypatch.setattr("api.server._GRACE", 0)
    go_on = threading.Event()

    def play(run: Run) -> None:
        run.say("half ")
        assert go_on.wait(60)
        run.say("done")
        run.complete("half done")

    worker.play(play)
    with ApiServer(make_settings()) as api:
        client = RawClient(api, chat(stream=streams))
        assert worker.claimed.acquire(timeout=60)
        if streams:
            assert b"200 OK" in client.read()
    rest = b""
    while part := client.read():
        rest += part
    client.leave()
    assert b"Send the request again" in rest
    assert streams or rest.startswith(b"HTTP/1.1 503")
    go_on.set()
    with ApiServer(make_settings()) as api:
        again = RawClient(api, chat(stream=streams), x_stainless_retry_count="1")
        rest = again.read()
        while b"done" not in rest:
            part = again.read()
            assert part, rest
            rest += part
        again.leave()
    assert len(worker.runs) == 1


@pytest.mark.parametrize("headers", [{"prefer": "wait=20"}, {"prefer": "respond-async, wait=20"}])
def test_a_client_that_may_come_back_leaves_its_job_running(
    connect: Connect, http: httpx.Client, worker: ScriptedWorker, headers: dict[str, str]
) -> None:
    go_on = threading.Event()

    def play(run: Run) -> None:
        assert go_on.wait(60)
        run.complete("kept")

    worker.play(play)
    client = connect(chat(), **headers)
    assert worker.claimed.acquire(timeout=60)
    client.leave()
    assert http.post("/v1/chat/completions", json=chat()).status_code == 200
    go_on.set()
    job = http.get(f"/v1/jobs/{worker.runs[0].claim.job_id}?wait=20").json()
    assert job["result"]["choices"][0]["message"]["content"] == "kept"
