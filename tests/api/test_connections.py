"""Clients that connect and then do nothing, or too little: each is given a time, and there is room for the others."""

import contextlib
import resource
import socket
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from api.http.server.connections import Limits
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.support.api_server import ApiServer
from tests.support.raw_http import connect, parts, read_all, read_answer, read_head, request
from tests.support.scripted_worker import Run, ScriptedWorker

CHAT = "/v1/chat/completions"
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"

Make = Callable[..., ApiServer]


@pytest.fixture
def make_api(make_settings: MakeSettings) -> Iterator[Make]:
    running: list[ApiServer] = []

    def make(**settings: object) -> ApiServer:
        running.append(ApiServer(make_settings(**settings)))
        return running[-1].__enter__()

    yield make
    for server in running:
        server.__exit__(None, None, None)


def test_nothing_at_all_is_closed(make_api: Make) -> None:
    with connect(make_api(head_timeout=0.2).port) as client:
        assert read_all(client) == b""


@pytest.mark.parametrize("head", [b"GET /", HEAD, HEAD + b"content-le"])
def test_half_a_head_is_closed(make_api: Make, caplog: pytest.LogCaptureFixture, head: bytes) -> None:
    caplog.set_level("INFO")
    with connect(make_api(head_timeout=0.2).port) as client:
        client.sendall(head)
        assert read_all(client) == b""
    assert "the head of its request took too long" in caplog.text


def test_a_head_that_drips_is_cut_off(make_api: Make) -> None:
    with connect(make_api(head_timeout=0.3).port) as client:
        client.sendall(b"GET /")
        assert is_cut_off_while_it_drips(client)


def is_cut_off_while_it_drips(client: socket.socket) -> bool:
    """Before ten seconds are over, although something comes all the time."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for _ in range(1000):
            client.sendall(b"x")
            time.sleep(0.01)
        return False
    return True


@pytest.mark.parametrize(
    "coding", [b"content-length: 99\r\n\r\n{", b"transfer-encoding: chunked\r\n\r\n5\r\n{"]
)
def test_half_a_body_is_closed(make_api: Make, coding: bytes) -> None:
    api = make_api(body_timeout=0.2)
    with connect(api.port) as client:
        client.sendall(HEAD + coding)
        assert read_all(client) == b""
    assert httpx.get(f"{api.url}/v1/models").status_code == 200


def test_a_body_that_drips_is_cut_off(make_api: Make) -> None:
    with connect(make_api(body_timeout=0.3).port) as client:
        client.sendall(HEAD + b"content-length: 100000\r\n\r\n")
        assert is_cut_off_while_it_drips(client)


def test_a_body_that_comes_in_pieces_has_time(make_api: Make, worker: ScriptedWorker) -> None:
    """Each piece has its own time: all of them take longer than one may."""
    raw = request(CHAT, chat("x" * 4000))
    with connect(make_api(body_timeout=1.5).port) as client:
        for start in range(0, len(raw), 512):
            client.sendall(raw[start : start + 512])
            time.sleep(0.2)
        assert read_head(client).startswith(b"HTTP/1.1 200")


def test_the_rest_of_a_body_that_was_refused_has_a_time_too(make_api: Make) -> None:
    with connect(make_api(body_timeout=0.2, max_body_mb=0.001).port) as client:
        client.sendall(HEAD + b"content-length: 99999\r\n\r\n{")
        raw = read_all(client)
    assert parts(raw)[0] == 413


def test_who_waits_for_an_answer_is_left_alone(make_api: Make, worker: ScriptedWorker) -> None:
    def answer(run: Run) -> None:
        time.sleep(1.8)
        run.complete("done")

    worker.play(answer)
    api = make_api(head_timeout=1.5, body_timeout=1.5, keep_alive_timeout=1.5, send_timeout=1.5)
    assert httpx.post(f"{api.url}{CHAT}", json=chat(), timeout=60).status_code == 200


def test_an_idle_connection_is_closed(make_api: Make) -> None:
    with connect(make_api(keep_alive_timeout=0.2).port) as client:
        client.sendall(request("/"))
        assert read_answer(client).startswith(b"HTTP/1.1 200")
        # An empty line between requests is no request.
        client.sendall(b"\r\n")
        assert read_all(client) == b""


def test_who_reads_nothing_is_closed(make_api: Make, worker: ScriptedWorker) -> None:
    cancelled = []

    def answer(run: Run) -> None:
        for _ in range(40):
            run.say("x" * 250_000)
        cancelled.append(run.until_cancelled())
        run.cancelled()

    worker.play(answer)
    with connect(make_api(send_timeout=0.3, linger_time=0).port) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(request(CHAT, chat(stream=True)))
        assert worker.claimed.acquire(timeout=60)
        deadline = time.monotonic() + 40
        while not cancelled and time.monotonic() < deadline:
            time.sleep(0.02)
    assert cancelled == [True]


def test_who_has_waited_longest_makes_room(make_api: Make, worker: ScriptedWorker) -> None:
    api = make_api(max_connections=4)
    clients = [connect(api.port) for _ in range(4)]
    try:
        for client in clients:
            client.sendall(b"GET /")
        for _ in range(6):
            assert httpx.get(f"{api.url}/v1/models").status_code == 200
        assert read_all(clients[0]) == b""
    finally:
        for client in clients:
            client.close()


def test_health_has_a_place_where_all_are_taken(make_api: Make, worker: ScriptedWorker) -> None:
    """Connections whose requests are worked on make no room."""
    worker.pause()
    api = make_api(max_connections=3)
    clients = [connect(api.port) for _ in range(3)]
    try:
        for client in clients:
            client.sendall(request(CHAT, chat()))
        deadline = time.monotonic() + 60
        while httpx.get(f"{api.url}/v1/queue/stats").status_code == 200:
            assert time.monotonic() < deadline
        refused = httpx.get(f"{api.url}/v1/models")
        assert (refused.status_code, refused.headers["connection"]) == (503, "close")
        assert "connections" in refused.json()["error"]["message"]
        assert httpx.get(f"{api.url}/health").status_code == 200
        worker.resume()
        for client in clients:
            assert read_head(client).startswith(b"HTTP/1.1 200")
    finally:
        for client in clients:
            client.close()


def test_an_address_of_the_network_has_a_share(
    make_api: Make, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if this machine were another one."""
    monkeypatch.setattr("api.server.is_loopback", lambda address: False)
    worker.pause()
    api = make_api(max_connections_per_address=2, trusted_proxies="none")
    clients = [connect(api.port) for _ in range(2)]
    try:
        for client in clients:
            client.sendall(request(CHAT, chat()))
        deadline = time.monotonic() + 60
        while httpx.get(f"{api.url}/v1/queue/stats").status_code == 200:
            assert time.monotonic() < deadline
        assert httpx.get(f"{api.url}/health").status_code == 200
        worker.resume()
        for client in clients:
            assert read_head(client).startswith(b"HTTP/1.1 200")
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize(("files", "most"), [(10_240, 4096), (1024, 480), (350, 143), (256, 96)])
def test_a_low_limit_of_open_files_leaves_room_for_others(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, files: int, most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert Limits.of(make_settings()).most == most
