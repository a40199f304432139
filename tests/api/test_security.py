"""Who may call: keys, Host names, and web pages of other origins."""

from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import ScriptedWorker

CHAT = "/v1/chat/completions"


@pytest.fixture
def locked(make_settings: MakeSettings, worker: ScriptedWorker) -> Iterator[httpx.Client]:
    """A server that asks for one of two keys."""
    settings = make_settings(api_keys="first-key, zweiter-schlüssel")
    with ApiServer(settings) as api, httpx.Client(base_url=api.url) as client:
        yield client


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer first-key"},
        {"authorization": "bearer  first-key"},
        {"x-api-key": "first-key"},
        {"x-api-key": "zweiter-schlüssel".encode()},
    ],
)
def test_any_of_the_keys_opens(locked: httpx.Client, headers: dict[str, str]) -> None:
    assert locked.post(CHAT, json=chat(), headers=headers).status_code == 200
    assert locked.post("/v1/models/load", json={"model": "tiny"}, headers=headers).status_code == 200
    assert locked.get("/v1/jobs", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer first-key2"},
        {"authorization": "Bearer"},
        {"authorization": "first-key"},
        {"authorization": "Basic first-key"},
        {"x-api-key": "FIRST-KEY"},
        {"x-api-key": "\xff".encode("latin-1")},
    ],
)
def test_nothing_else_does(locked: httpx.Client, headers: dict[str, str]) -> None:
    for path in (CHAT, "/v1/models", "/", "/v1/jobs", "/openapi.json", "/nix"):
        answer = locked.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert "first-key" not in answer.text
    assert locked.get("/health", headers=headers).status_code == 200


def test_the_sdk_raises_its_authentication_error(locked: httpx.Client) -> None:
    with (
        openai.OpenAI(base_url=f"{locked.base_url}/v1", api_key="wrong", max_retries=0) as sdk,
        pytest.raises(openai.AuthenticationError),
    ):
        sdk.chat.completions.create(**chat())


def test_without_keys_any_key_opens(http: httpx.Client, worker: ScriptedWorker) -> None:
    for headers in ({}, {"authorization": "Bearer sk-any"}, {"x-api-key": "x"}):
        assert http.post(CHAT, json=chat(), headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:1234", 200),
        ("127.0.0.1:80", 200),
        ("[::1]:8080", 200),
        ("app.localhost", 200),
        ("evil.com", 403),
        ("evil.com:8080", 403),
        ("localhost.evil.com", 403),
        ("127.0.0.1.evil.com", 403),
        ("", 403),
    ],
)
def test_only_known_host_names_are_answered(
    http: httpx.Client, worker: ScriptedWorker, host: str, status: int
) -> None:
    for path in ("/", "/health", "/v1/models", "/nix"):
        answer = http.get(path, headers={"host": host})
        assert answer.status_code == (404 if path == "/nix" and status == 200 else status)
    if status == 403:
        assert answer.json()["error"]["code"] == "host_not_allowed"


def test_host_names_can_be_allowed(make_settings: MakeSettings, worker: ScriptedWorker) -> None:
    for allowed in ("*", "my.mac", "*.mac"):
        with ApiServer(make_settings(allowed_hosts=allowed)) as api:
            for host in ("my.mac:8080", "localhost", "host.docker.internal"):
                assert httpx.get(f"{api.url}/health", headers={"host": host}).status_code == 200


def test_a_server_for_the_whole_network_is_found_under_its_addresses(
    make_settings: MakeSettings, worker: ScriptedWorker
) -> None:
    for host, status in (("0.0.0.0", 200), ("::", 200), ("127.0.0.1", 403)):
        with ApiServer(make_settings(host=host)) as api:
            for name in ("192.168.1.5:8080", "[fe80::1]:8080"):
                assert httpx.get(f"{api.url}/health", headers={"host": name}).status_code == status
            assert httpx.get(f"{api.url}/health", headers={"host": "evil.com"}).status_code == 403


def test_a_page_may_ask_first(http: httpx.Client, worker: ScriptedWorker) -> None:
    headers = {
        "origin": "https://app.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type, authorization, x-stainless-lang",
    }
    answer = http.options(CHAT, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    for method in ("GET", "POST", "DELETE", "OPTIONS"):
        assert method in answer.headers["access-control-allow-methods"]
    for header in ("content-type", "authorization", "x-stainless-lang"):
        assert header in answer.headers["access-control-allow-headers"].lower()


def test_a_page_may_read_answers_and_errors(http: httpx.Client, worker: ScriptedWorker) -> None:
    for body in (chat(), {}):
        answer = http.post(CHAT, json=body, headers={"origin": "https://app.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "x-request-id" in answer.headers["access-control-expose-headers"]


def test_origins_can_be_limited(make_settings: MakeSettings, worker: ScriptedWorker) -> None:
    with ApiServer(make_settings(cors_origins="https://app.example")) as api:
        for origin, allowed in (("https://app.example", True), ("https://evil.com", False)):
            answer = httpx.get(f"{api.url}/v1/models", headers={"origin": origin})
            assert ("access-control-allow-origin" in answer.headers) is allowed


ADMIN = [
    ("POST", "/v1/models/load", {"model": "tiny"}),
    ("POST", "/models/load", {"model": "tiny"}),
    ("POST", "/v1/models/unload", {"model_type": "llm"}),
    ("GET", "/v1/jobs", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ADMIN)
def test_foreign_pages_may_not_administrate(
    http: httpx.Client, api: ApiServer, worker: ScriptedWorker, method: str, path: str, body: object
) -> None:
    for origin in ("https://evil.com", "null", "http://localhost:1", f"http://127.0.0.1:{api.port + 1}"):
        answer = http.request(method, path, json=body, headers={"origin": origin})
        assert answer.status_code == 403, origin
        assert answer.json()["error"]["type"] == "permission_error"
    assert worker.runs == []
    for headers in ({}, {"origin": api.url}):
        assert http.request(method, path, json=body, headers=headers).status_code == 200


def test_a_foreign_page_with_a_key_may(locked: httpx.Client) -> None:
    headers = {"origin": "https://my.app", "x-api-key": "first-key"}
    assert locked.post("/v1/models/load", json={"model": "tiny"}, headers=headers).status_code == 200
