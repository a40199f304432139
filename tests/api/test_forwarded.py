"""Behind a proxy: which addresses answers name, whom a proxy may speak for, and what nobody gains by its headers."""

import asyncio
import signal
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from api.app import create_app
from api.http.middleware.forwarded import Forwarded
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import ScriptedWorker

CHAT = "/v1/chat/completions"
LATER = {"prefer": "respond-async"}
TLS = {
    "x-forwarded-proto": "https",
    "x-forwarded-host": "ai.example.com",
    "x-forwarded-prefix": "/mlxq",
    "x-forwarded-for": "192.0.2.7",
}


def addresses(answer: httpx.Response) -> set[str]:
    """All that an accepted job's answer names, up to the sub-path."""
    assert answer.status_code == 202, answer.text
    body = answer.json()
    found = {answer.headers["location"], *body["urls"].values()}
    return {address.partition("/v1/jobs/")[0] for address in found}


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        (TLS, "https://ai.example.com/mlxq"),
        ({"x-forwarded-proto": "https"}, "https://localhost:8080"),
        ({"x-forwarded-host": "ai.example.com:8443"}, "http://ai.example.com:8443"),
        ({"x-forwarded-proto": "HTTPS", "x-forwarded-port": "443"}, "https://localhost:8080"),
        (
            {"x-forwarded-proto": "https", "x-forwarded-host": "a.example", "x-forwarded-port": "8443"},
            "https://a.example:8443",
        ),
        ({"x-forwarded-proto": "https, http", "x-forwarded-host": "a.example, b"}, "https://a.example"),
        ({"x-forwarded-host": "[2001:db8::1]:8443"}, "http://[2001:db8::1]:8443"),
        ({"x-forwarded-prefix": "/ai/,/mlxq"}, "http://localhost:8080/ai/mlxq"),
        (
            {"forwarded": 'for=192.0.2.7;proto=https;host="ai.example.com:8443"'},
            "https://ai.example.com:8443",
        ),
        ({"forwarded": "for=192.0.2.7; Proto=https; Host=a.example, for=10.0.0.1"}, "https://a.example"),
        ({"x-forwarded-proto": "https", "forwarded": "host=evil.example"}, "https://localhost:8080"),
        # What is none of these is passed over.
        ({"x-forwarded-proto": "javascript"}, "http://localhost:8080"),
        ({"x-forwarded-host": "a.example/evil?"}, "http://localhost:8080"),
        ({"x-forwarded-host": "user@evil.example"}, "http://localhost:8080"),
        ({"x-forwarded-proto": "https", "x-forwarded-prefix": "//evil.example"}, "https://localhost:8080"),
        ({"forwarded": "by"}, "http://localhost:8080"),
    ],
    ids=str,
)
def test_a_proxy_on_this_machine_says_how_clients_reach_it(
    http: httpx.Client, worker: ScriptedWorker, headers: dict[str, str], base: str
) -> None:
    answer = http.post(CHAT, json=chat(), headers={"host": "localhost:8080", **LATER, **headers})
    assert addresses(answer) == {base}
    job = answer.json()["id"]
    again = http.get(f"/v1/jobs/{job}", headers={"host": "localhost:8080", **headers})
    assert again.json()["urls"]["get"] == f"{base}/v1/jobs/{job}"


@pytest.mark.parametrize("trusted", ["none", "192.0.2.0/24"])
def test_what_others_say_is_not_believed(
    make_settings: MakeSettings, worker: ScriptedWorker, trusted: str
) -> None:
    with ApiServer(make_settings(trusted_proxies=trusted)) as api:
        answer = httpx.post(f"{api.url}{CHAT}", json=chat(), headers={**LATER, **TLS})
        assert addresses(answer) == {api.url}


@pytest.fixture
def published(make_settings: MakeSettings, worker: ScriptedWorker) -> Iterator[ApiServer]:
    with ApiServer(make_settings(public_url="https://ai.example.com/mlxq")) as api:
        yield api


def test_the_settings_say_it_once_and_for_all(published: ApiServer) -> None:
    for headers in ({}, {"host": "ai.example.com"}, TLS, {**TLS, "x-forwarded-host": "evil.example"}):
        answer = httpx.post(f"{published.url}{CHAT}", json=chat(), headers={**LATER, **headers})
        assert addresses(answer) == {"https://ai.example.com/mlxq"}


@pytest.mark.parametrize("prefix", ["", "/mlxq"])
def test_a_proxy_may_leave_the_sub_path_or_take_it_away(published: ApiServer, prefix: str) -> None:
    url = published.url + prefix
    assert httpx.get(url or "/").json()["name"] == "mlxq"
    assert httpx.get(f"{url}/health").status_code == 200
    assert httpx.post(f"{url}/v1/chat/completions", json=chat()).status_code == 200
    assert httpx.post(f"{url}/chat/completions", json=chat()).status_code == 200
    assert "'/mlxq/openapi.json'" in httpx.get(f"{url}/docs").text.replace('"', "'")
    assert httpx.get(f"{published.url}/mlxqx/health").status_code == 404
    with connect(f"ws{url[4:]}/ws/v1/tts", open_timeout=60) as socket:
        assert "connected_success" in socket.recv(60)
    with pytest.raises(InvalidStatus):
        connect(f"ws{url[4:]}/elsewhere/ws/v1/tts", open_timeout=60)


@pytest.mark.parametrize(
    ("host", "forwarded", "status"),
    [
        ("localhost", "evil.example", 200),
        ("evil.example", "localhost", 403),
        ("evil.example", "ai.example.com", 403),
        ("ai.example.com", "evil.example", 200),
    ],
)
def test_the_host_that_counts_is_the_one_that_was_asked(
    published: ApiServer, host: str, forwarded: str, status: int
) -> None:
    headers = {"host": host, "x-forwarded-host": forwarded, "forwarded": f"host={forwarded}"}
    assert httpx.get(f"{published.url}/v1/models", headers=headers).status_code == status


LOAD: tuple[str, dict[str, Any]] = ("/v1/models/load", {"model": "tiny"})


@pytest.mark.parametrize(
    "headers",
    [
        *({name: value} for name, value in TLS.items()),
        {"forwarded": "for=127.0.0.1"},
        {"x-forwarded-for": "127.0.0.1"},
        {"x-forwarded-for": "::1, 127.0.0.1"},
        {"x-real-ip": "127.0.0.1"},
        {"host": "host.docker.internal"},
    ],
    ids=str,
)
def test_what_is_passed_on_does_not_come_from_this_machine(
    http: httpx.Client, worker: ScriptedWorker, headers: dict[str, str]
) -> None:
    assert http.post(LOAD[0], json=LOAD[1]).status_code == 200
    refused = http.post(LOAD[0], json=LOAD[1], headers=headers)
    assert (refused.status_code, refused.json()["error"]["type"]) == (403, "permission_error")
    assert http.post(CHAT, json=chat(), headers=headers).status_code == 200


def test_a_page_gains_nothing_by_the_headers_of_a_proxy(http: httpx.Client, worker: ScriptedWorker) -> None:
    """A browser on this machine is as near as a proxy on it, and pages choose its headers."""
    page = {"origin": "https://evil.example"}
    for headers in ({"x-forwarded-host": "evil.example"}, {"forwarded": "host=evil.example;proto=https"}):
        assert http.post(LOAD[0], json=LOAD[1], headers={**page, **headers}).status_code == 403


@pytest.mark.parametrize(
    ("peer", "chain", "seen"),
    [
        ("127.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "198.51.100.1, 192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", "192.0.2.7:5000, 10.0.0.1", "192.0.2.7"),
        ("10.0.0.1", "[2001:db8::7]:5000", "2001:db8::7"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("192.0.2.9", "192.0.2.7", "192.0.2.9"),
    ],
)
def test_a_client_is_known_by_the_address_its_proxy_saw(
    make_settings: MakeSettings, worker: ScriptedWorker, peer: str, chain: str, seen: str
) -> None:
    """An Idempotency-Key without a key of the API belongs to an address."""
    settings = make_settings(trusted_proxies="127.0.0.0/8, 10.0.0.0/8", allowed_hosts="*")
    headers = {"idempotency-key": "one", **LATER}
    with TestClient(create_app(settings), client=(peer, 1)) as proxied:
        first = proxied.post(CHAT, json=chat(), headers={**headers, "x-forwarded-for": chain}).json()["id"]
    with TestClient(create_app(settings), client=(seen, 1)) as direct:
        assert direct.post(CHAT, json=chat(), headers=headers).json()["id"] == first


@pytest.mark.parametrize(
    "name", ["host.docker.internal", "host.containers.internal:8080", "gateway.docker.internal"]
)
def test_a_container_reaches_its_host_by_the_name_it_has_for_it(
    http: httpx.Client, worker: ScriptedWorker, name: str
) -> None:
    assert http.post(CHAT, json=chat(), headers={"host": name}).status_code == 200
    assert http.get("/v1/models", headers={"host": name}).status_code == 200
    refused = http.get("/v1/models", headers={"host": f"{name.partition(':')[0]}.evil.example"})
    assert refused.status_code == 403
    assert "ALLOWED_HOSTS" in refused.json()["error"]["message"]
    page = {"host": name, "origin": f"http://{name}"}
    assert http.post(LOAD[0], json=LOAD[1], headers=page).status_code == 403


@pytest.mark.parametrize("text", ["\t", "a", "=", ";", 'for="', "for=a,"])
def test_a_long_header_of_whoever_is_behind_the_proxy_stops_nobody(text: str) -> None:
    """Which an expression that looks for pairs reads for a minute."""

    def too_long(*_: object) -> None:
        raise TimeoutError

    async def app(*_: object) -> None:
        pass

    header = b"a" + text.encode() * (60_000 // len(text)) + b"!"
    scope = {"type": "http", "scheme": "http", "path": "/", "client": ("127.0.0.1", 1), "state": {}}
    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(10)
    try:
        guard: Any = Forwarded(app, [ip_network("127.0.0.1")])
        asyncio.run(guard({**scope, "headers": [(b"forwarded", header)]}, None, None))
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
