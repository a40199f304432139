"""HTTP as clients, proxies and monitors speak it, beside what HTTP libraries send."""

import json
import socket
import threading
from typing import Any

import httpx
import pytest

from api.server import listen
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.support.api_server import ApiServer
from tests.support.raw_http import connect, error, parts, read_all, read_answer, request
from tests.support.scripted_worker import Run, ScriptedWorker

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    "path", ["/", "/health", "/v1/models", "/v1/models/tiny", "/v1/jobs", "/openapi.json"]
)
def test_head_is_get_without_a_body(http: httpx.Client, worker: ScriptedWorker, path: str) -> None:
    got, head = http.get(path), http.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"") == (200, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == got.headers[name]


def test_head_of_errors_and_of_a_stream(http: httpx.Client, worker: ScriptedWorker) -> None:
    """The head of a running job's events does not wait for its end."""
    assert http.head("/v1/nix").status_code == 404
    assert http.head("/v1/jobs/nix").status_code == 404
    refused = http.head(CHAT)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    worker.pause()
    job = http.post(CHAT, json=chat(), headers={"prefer": "respond-async"}).json()["id"]
    events = http.head(f"/v1/jobs/{job}/events")
    assert events.status_code == 200
    assert events.headers["content-type"].startswith("text/event-stream")
    assert http.get(f"/v1/jobs/{job}").json()["status"] == "queued"
    worker.resume()


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", CHAT, "POST"),
        ("DELETE", "/health", "GET, HEAD"),
        ("PATCH", "/v1/jobs/any", "DELETE, GET, HEAD, PUT"),
        ("PUT", "/v1/models", "GET, HEAD"),
        ("POST", "/v1/settings/log_level", "PUT"),
        ("TRACE", "/v1/images/edits", "POST"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    http: httpx.Client, method: str, path: str, allow: str
) -> None:
    answer = http.request(method, path)
    found = set(answer.headers["allow"].split(", "))
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
    assert set(allow.split(", ")) <= found
    assert found <= {"DELETE", "GET", "HEAD", "POST", "PUT"}


def test_options_tells_the_methods(http: httpx.Client) -> None:
    """Load balancers ask so whether a server is there."""
    answer = http.options("/health")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == "GET, HEAD"
    assert http.options("/nix").status_code == 404


def test_http_1_0_needs_no_host(api: ApiServer, worker: ScriptedWorker) -> None:
    for version, status in (("1.0", 200), ("1.1", 403)):
        with connect(api.port) as client:
            client.sendall(f"GET /health HTTP/{version}\r\nConnection: close\r\n\r\n".encode())
            assert parts(read_all(client))[0] == status


def test_http_1_0_gets_no_chunks(api: ApiServer, worker: ScriptedWorker) -> None:
    body = chat("One two three", stream=True)
    with connect(api.port) as client:
        client.sendall(request(CHAT, body, version="1.0"))
        status, headers, stream = parts(read_all(client))
    assert status == 200
    assert headers["connection"] == "close"
    assert not {"transfer-encoding", "content-length"} & headers.keys()
    lines = [line for line in stream.decode().split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    words = [json.loads(line[6:]) for line in lines[:-1] if line.startswith("data: ")]
    assert "".join(each["choices"][0]["delta"].get("content") or "" for each in words) == "One two three"


@pytest.mark.parametrize(("path", "body"), [("/health", None), (CHAT, chat("Hi."))])
def test_http_1_0_with_a_length_has_it(
    api: ApiServer, worker: ScriptedWorker, path: str, body: dict[str, Any] | None
) -> None:
    with connect(api.port) as client:
        client.sendall(request(path, body, version="1.0"))
        status, headers, content = parts(read_all(client))
    assert (status, int(headers["content-length"])) == (200, len(content))


@pytest.mark.parametrize("streams", [False, True])
def test_a_client_that_closes_its_side_gets_its_answer(
    api: ApiServer, worker: ScriptedWorker, streams: bool
) -> None:
    closed = threading.Event()

    def answer(run: Run) -> None:
        assert closed.wait(60)
        run.say("late ", "but here")
        run.complete("late but here")

    worker.play(answer)
    with connect(api.port) as client:
        client.sendall(request(CHAT, chat(stream=streams)))
        assert worker.claimed.acquire(timeout=60)
        client.shutdown(socket.SHUT_WR)
        # The API has learnt of it when it has answered somebody who came later.
        assert httpx.get(f"{api.url}/health").status_code == 200
        closed.set()
        raw = read_all(client)
    assert raw.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in raw
    assert b"but here" in raw
    assert b"\0" not in raw


def test_a_request_that_was_cut_off_gets_none(api: ApiServer, worker: ScriptedWorker) -> None:
    with connect(api.port) as client:
        client.sendall(request(CHAT, chat())[:-5])
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b""
    assert worker.runs == []


@pytest.mark.parametrize(
    "path", ["//v1//chat/completions", "/v1//chat/completions/", "//chat//completions//"]
)
def test_slashes_too_many_say_nothing(api: ApiServer, worker: ScriptedWorker, path: str) -> None:
    with connect(api.port) as client:
        client.sendall(request(path, chat(), headers={"connection": "close"}))
        assert parts(read_all(client))[0] == 200


def test_a_body_with_an_upgrade_is_answered(api: ApiServer, worker: ScriptedWorker) -> None:
    upgrade = {"connection": "Upgrade", "upgrade": "websocket"}
    for path, status in ((CHAT, 200), ("/v1/nix", 404), ("/ws/v1/tts", 404)):
        with connect(api.port) as client:
            client.sendall(request(path, chat(), headers={**upgrade, "sec-websocket-key": "x" * 24}))
            answer = read_answer(client)
            # The connection goes on with the next request.
            client.sendall(request("/"))
            assert parts(read_answer(client))[0] == 200
        assert parts(answer)[0] == status, path


@pytest.mark.parametrize(
    "raw",
    [
        b"CONNECT example.com:443 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nGET /",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /health HTTP/1.1\r\nconnection: upgrade\r\nupgrade websocket\r\n\r\n",
    ],
)
def test_other_protocols_are_refused(api: ApiServer, raw: bytes) -> None:
    with connect(api.port) as client:
        client.sendall(raw)
        assert error(read_all(client))[0] == 400
    assert httpx.get(f"{api.url}/").status_code == 200


def test_requests_behind_an_upgrade_that_is_none(api: ApiServer, worker: ScriptedWorker) -> None:
    """Sent at once: each is answered, in order."""
    upgrade = {
        "connection": "Upgrade, HTTP2-Settings",
        "upgrade": "h2c",
        "http2-settings": "AAMAAABkAAQAoAAA",
    }
    one, two = request(CHAT, chat("one"), headers=upgrade), request(CHAT, chat("two"), headers=upgrade)
    with connect(api.port) as client:
        client.sendall(one + two + request("/", headers={"connection": "close"}))
        raw = read_all(client).decode()
    assert raw.count("HTTP/1.1 200") == 3
    assert raw.index('"content":"one"') < raw.index('"content":"two"') < raw.index('"name":"mlxq"')


def test_a_key_is_asked_for_before_an_upgrade(make_settings: MakeSettings) -> None:
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    key = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}
    with ApiServer(make_settings(api_keys="secret")) as api:
        for raw in (
            request(CHAT, chat(), headers=upgrade),
            request(CHAT, headers={**upgrade, **key}),
            request("/ws/v1/tts", chat(), headers={**upgrade, **key}),
            request("/ws/v1/tts", headers={**upgrade, **key}),
            request("//ws/v1/tts/", headers={**upgrade, **key}),
        ):
            with connect(api.port) as client:
                client.sendall(raw)
                status, told = error(read_answer(client))
            assert (status, told["code"]) == (401, "invalid_api_key"), raw


def test_localhost_is_answered_under_both_addresses(
    make_settings: MakeSettings, worker: ScriptedWorker
) -> None:
    assert make_settings().host == "127.0.0.1"
    sockets = listen(make_settings().host, 0)
    hosts = {each.getsockname()[0] for each in sockets}
    ports = {each.getsockname()[1] for each in sockets}
    for each in sockets:
        each.close()
    assert len(ports) == 1
    assert hosts == ({"127.0.0.1", "::1"} if _has_ipv6() else {"127.0.0.1"})


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_the_other_loopback_may_be_taken(caplog: pytest.LogCaptureFixture) -> None:
    if not _has_ipv6():
        pytest.skip("this machine has no ::1")
    with socket.socket(socket.AF_INET6) as other:
        other.bind(("::1", 0))
        other.listen()
        port = other.getsockname()[1]
        sockets = listen("127.0.0.1", port)
    assert [each.getsockname()[:2] for each in sockets] == [("127.0.0.1", port)]
    assert f"[::1]:{port}" in caplog.text
    sockets[0].close()


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_a_page_on_the_net_may_ask_for_the_private_network(make_settings: MakeSettings) -> None:
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
        "access-control-request-private-network": "true",
    }
    for allowed, origin, status in (
        ("*", "https://app.example", 200),
        ("https://app.example", "https://app.example", 200),
        ("https://app.example", "https://evil.example", 403),
    ):
        with ApiServer(make_settings(cors_origins=allowed)) as api:
            answer = httpx.options(f"{api.url}{CHAT}", headers={"origin": origin, **asked})
        assert answer.status_code == status
        assert ("access-control-allow-origin" in answer.headers) is (status == 200)
        if status == 200:
            assert answer.headers["access-control-allow-private-network"] == "true"


def test_requests_that_do_not_wait_for_answers_get_them_in_order(
    api: ApiServer, worker: ScriptedWorker
) -> None:
    go_on = threading.Event()

    def play(run: Run) -> None:
        assert go_on.wait(60)
        run.complete("first")

    worker.play(play)
    with connect(api.port) as client:
        first, second = request(CHAT, chat("one")), request(CHAT, chat("second " * 20_000))
        client.sendall(first + second[:300])
        assert worker.claimed.acquire(timeout=60)
        sender = threading.Thread(
            target=client.sendall, args=(second[300:] + request(headers={"connection": "close"}),)
        )
        sender.start()
        go_on.set()
        answers = read_all(client)
        sender.join(60)
    contents = [answers.index(said) for said in (b"first", b"second second", b"healthy")]
    assert contents == sorted(contents)
    assert answers.count(b"HTTP/1.1 200 OK") == 3
