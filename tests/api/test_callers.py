"""How far a caller's rights go: programs, pages of other origins, other machines, keys."""

import base64
import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import redis
from fastapi.routing import APIRoute
from starlette.testclient import TestClient
from websockets.sync.client import connect
from websockets.typing import Origin

from api.app import create_app
from config.settings import REPO, Settings
from tests.api.conftest import MakeSettings
from tests.api.requests import chat, completion
from tests.program import Program
from tests.support.api_server import ApiServer
from tests.support.audio_samples import hum
from tests.support.hub_listing import HubListing
from tests.support.jobs import waiting
from tests.support.scripted_worker import ScriptedWorker

WEB, NULL = "https://evil.example", "null"
ABSENT = "nobody/absent"
SOUND = base64.b64encode(hum()).decode()
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+M8AAAMBAQDJ/pLvAAAAAElFTkSuQmCC"

#: Every route that takes the name of a model to work with.
USES: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", chat()),
    ("/v1/completions", completion()),
    ("/api/v0/chat/completions", chat()),
    ("/api/v0/completions", completion()),
    ("/api/v0/embeddings", {"input": "Hello"}),
    ("/v1/responses", {"input": "Hello"}),
    ("/v1/responses/compact", {"input": "Hello"}),
    ("/v1/messages", chat(max_tokens=9)),
    ("/v1/embeddings", {"input": "Hello"}),
    ("/v1/audio/speech", {"input": "Hello"}),
    ("/v1/audio/transcriptions", {"file": SOUND}),
    ("/v1/audio/translations", {"file": SOUND}),
    ("/v1/images/generations", {"prompt": "A cat", "size": "64x64"}),
    ("/v1/images/edits", {"prompt": "A cat", "image": PNG}),
    ("/v1/images/variations", {"image": PNG}),
]
#: The same of Ollama's, llama.cpp's and rerankers', which know no jobs in the background.
OLLAMA_USES: list[tuple[str, dict[str, Any]]] = [
    ("/api/chat", chat()),
    ("/api/generate", {"prompt": "Hello"}),
    ("/api/embed", {"input": "Hello"}),
    ("/api/embeddings", {"prompt": "Hello"}),
    ("/completion", {"prompt": "Hello"}),
    ("/v1/rerank", {"query": "Hello", "documents": ["x"]}),
    ("/v1/reranking", {"query": "Hello", "documents": ["x"]}),
    ("/v2/rerank", {"query": "Hello", "documents": ["x"]}),
]
#: Every route that changes what there is.
VERBS: list[tuple[str, str, Any]] = [
    ("POST", "/v1/models/load", {"model": "tiny"}),
    ("POST", "/v1/models/unload", {"model_type": "llm"}),
    ("POST", "/v1/models/tiny/load", None),
    ("POST", "/v1/models/tiny/unload", None),
    ("POST", "/v1/models/download", {"repo_id": ABSENT}),
    ("POST", "/v1/models/install", {"model_id": ABSENT}),
    ("DELETE", "/v1/models/org/other", None),
    ("POST", "/api/pull", {"model": "tiny"}),
    ("POST", "/api/create", {"model": "mario", "from": "tiny"}),
    ("POST", "/api/copy", {"source": "tiny", "destination": "luigi"}),
    ("DELETE", "/api/delete", {"model": ABSENT}),
    ("POST", "/api/v1/models/load", {"model": "tiny"}),
    ("POST", "/api/v1/models/unload", {"instance_id": "tiny"}),
    ("POST", "/v1/manager/models/tiny/priority", {"priority": 1}),
    ("POST", "/v1/queue/pause", None),
    ("POST", "/v1/queue/resume", None),
    ("GET", "/v1/addresses", None),
    ("GET", "/v1/settings", None),
    ("PUT", "/v1/settings/log_level", {"value": "DEBUG"}),
    ("POST", "/v1/system/shutdown", None),
    ("POST", "/v1/system/restart", None),
    ("GET", "/v1/jobs", None),
    ("GET", "/v1/logs", None),
    ("GET", "/v1/checks", None),
    ("GET", "/v1/usage", None),
    ("GET", "/v1/workers", None),
]

#: Routes that store what others will read, with the body of one.
STORES: list[tuple[str, Any]] = [
    ("/v1/files", None),
    ("/v1/batches", {"input_file_id": "file-1", "endpoint": "/v1/embeddings", "completion_window": "24h"}),
    ("/v1/messages/batches", {"requests": [{"custom_id": "a", "params": chat(max_tokens=9)}]}),
]
#: Routes that change nothing but a job, a file or a batch, whose id is a secret.
OF_JOBS = (
    *("/v1/jobs/{job_id}/cancel", "/v1/jobs/{job_id}"),
    *("/v1/jobs/{job_id}/hold", "/v1/jobs/{job_id}/release"),
    *("/v1/jobs/{job_id}/move", "/v1/jobs/{job_id}/class", "/v1/jobs/{job_id}/retry"),
    *("/v1/responses/{response_id}/cancel", "/v1/responses/{response_id}"),
    *("/v1/files/{file_id}", "/v1/batches/{batch_id}/cancel"),
    *("/v1/messages/batches/{batch_id}", "/v1/messages/batches/{batch_id}/cancel"),
    "/v1/webhooks/deliveries/{delivery_id}/redeliver",
)
#: Routes that refuse everybody.
REFUSING = ("/api/push", "/api/blobs/{digest}")
#: Reads what is known of a model, and neither loads nor fetches it.
COUNTS = (
    *("/v1/messages/count_tokens", "/v1/responses/input_tokens", "/api/show"),
    *("/tokenize", "/detokenize", "/apply-template"),
)
#: Calls the functions of the routes above: tests/api/images/test_tools.py has its callers.
TOOLS = ("/mcp",)
#: Uses no other model than one in memory.
GENERATE = "/v1/models/{name:path}/generate"

Call = Callable[..., Any]


@pytest.fixture
def held(worker: ScriptedWorker) -> ScriptedWorker:
    """`tiny`, the default, is in memory; `org/other` is installed."""
    worker.announce(model="tiny", state="loaded")
    return worker


@pytest.fixture
def call(
    make_settings: MakeSettings, held: ScriptedWorker, clean_redis: redis.Redis, tmp_path: Any
) -> Iterator[Call]:
    """Sends a request, as from another address if one is given."""
    clients: dict[tuple[Any, ...], TestClient] = {}

    def send(
        method: str,
        path: str,
        body: Any = None,
        *,
        address: str = "127.0.0.1",
        settings: dict[str, Any] | None = None,
        **headers: str,
    ) -> Any:
        which = (address, json.dumps(settings))
        if which not in clients:
            own = {"allowed_hosts": "*", "data_dir": tmp_path, "hub_cache": tmp_path, "hf_endpoint": hub.url}
            values = {**own, **(settings or {})}
            app = create_app(make_settings(**values))
            clients[which] = TestClient(app, client=(address, 1), base_url="http://127.0.0.1:8080")
            clients[which].__enter__()
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        return clients[which].request(method, path, json=body, headers=told)

    with HubListing() as hub:
        yield send
    for client in clients.values():
        client.__exit__(None, None, None)


def downloads(connection: redis.Redis) -> int:
    return len(waiting(connection, "download"))


def changing(routes: Any) -> Iterator[tuple[str, str]]:
    """Method and path of every route that does more than read."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield from ((method, route.path) for method in (route.methods or set()) - {"GET"})
        elif hasattr(route, "original_router"):
            yield from changing(route.original_router.routes)


def test_no_route_is_left_out(make_settings: MakeSettings) -> None:
    """A new route has to be one that administers or one that uses a model, and is tested here as such."""
    tested = [(method, path) for method, path, _ in VERBS] + [
        ("POST", path) for path, _ in USES + OLLAMA_USES
    ]
    for method, path in changing(create_app(make_settings()).routes):
        pattern = re.sub(r"\{[^}]*:path\}", ".+", path)
        pattern = re.sub(r"\{[^}]*\}", "[^/]+", pattern)
        known = any(method == each and re.fullmatch(pattern, sent) for each, sent in tested)
        known |= path in dict(STORES)
        assert known or path in (*OF_JOBS, *REFUSING, *COUNTS, *TOOLS, GENERATE), (
            f"what may other callers do with {method} {path}?"
        )


def test_models_are_named_through_one_function() -> None:
    """`submission.model_of` asks for the right to a model; only what the user of the machine does may pass it."""
    administers = {
        *("dispatch/submission.py", "http/context.py"),
        *("models/install.py", "models/inventory.py", "models/removal.py"),
        *(
            "mlxgui/models/router.py",
            "ollama/models/create.py",
            "ollama/models/pull.py",
            "ominix/models/router.py",
        ),
    }
    api = REPO / "api"
    found = {
        str(path.relative_to(api))
        for path in api.rglob("*.py")
        if re.search(r"(context|catalog|_of\(request\))\.(resolve|look_up)\(", path.read_text())
    }
    # The list of voices looks at the default model, which no caller names.
    # The draft model is withheld from callers without the right (`Caller.withheld`).
    assert found <= administers | {"openai/chat/answer.py", "ominix/voices/router.py"}


@pytest.mark.parametrize(("path", "body"), USES)
@pytest.mark.parametrize(
    "who",
    [{"origin": WEB}, {"origin": NULL}, {"origin": "http://localhost:3000"}, {"address": "192.168.1.7"}],
    ids=str,
)
def test_only_programs_here_make_it_fetch_a_model(
    call: Call, clean_redis: redis.Redis, who: dict[str, str], path: str, body: dict[str, Any]
) -> None:
    answer = call("POST", path, {**body, "model": ABSENT}, **who)
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission_error")
    assert downloads(clean_redis) == 0
    answer = call("POST", path, {**body, "model": ABSENT, "background": True})
    # A response that is made in the background is returned as it stands.
    accepted = 200 if path == "/v1/responses" else 202
    assert (answer.status_code, downloads(clean_redis)) == (accepted, 1)


@pytest.mark.parametrize(("path", "body"), STORES)
def test_pages_of_the_web_store_nothing(call: Call, path: str, body: Any) -> None:
    for origin in (WEB, NULL):
        answer = call("POST", path, body, origin=origin)
        assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission_error")
    assert call("POST", path, body, origin="http://localhost:3000").status_code in (200, 400, 404)
    for origin in (WEB, "http://localhost:3000"):
        assert call("GET", path, origin=origin).status_code == 403
    assert call("GET", path).status_code == 200


@pytest.mark.parametrize(("path", "body"), OLLAMA_USES)
def test_pages_make_ollamas_routes_fetch_nothing(
    call: Call, clean_redis: redis.Redis, path: str, body: dict[str, Any]
) -> None:
    for who in ({"origin": WEB}, {"address": "192.168.1.7"}):
        assert call("POST", path, {**body, "model": ABSENT}, **who).status_code == 403
    assert downloads(clean_redis) == 0


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ({"origin": WEB}, 403),
        ({"origin": NULL}, 403),
        ({"origin": "http://localhost.evil.example"}, 403),
        ({"origin": "http://[::1"}, 403),
        ({"origin": "http://127.0.0.1:notaport"}, 403),
        ({"origin": "http://localhost:1@evil.example"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://localhost:3000"}, 200),
        ({"origin": "http://[::1]:3000"}, 200),
        ({"origin": "app://obsidian.md"}, 200),
        ({"origin": "tauri://localhost"}, 200),
        ({"origin": "http://127.0.0.1:8080"}, 200),
        ({"address": "192.168.1.7"}, 200),
        ({}, 200),
    ],
    ids=str,
)
def test_pages_of_the_web_use_what_is_in_memory(
    call: Call, held: ScriptedWorker, who: dict[str, str], status: int
) -> None:
    for named in ("default", "tiny"):
        assert call("POST", "/v1/chat/completions", chat(model=named), **who).status_code == 200
    answer = call("POST", "/v1/chat/completions", chat(model="org/other"), **who)
    assert answer.status_code == status
    assert [run.claim.model for run in held.runs] == ["tiny", "tiny", *["org/other"] * (status == 200)]
    if status == 403:
        assert "'org/other' is not in memory" in answer.json()["error"]["message"]
        assert "CORS_ORIGINS" in answer.json()["error"]["message"]


def test_a_page_may_use_the_model_of_a_setting_before_it_is_loaded(call: Call, held: ScriptedWorker) -> None:
    held.announce(model=None, state="empty")
    assert call("POST", "/v1/chat/completions", chat(), origin=WEB).status_code == 200
    other = call("POST", "/v1/chat/completions", chat(model="org/other"), origin=WEB)
    assert other.status_code == 403


@pytest.mark.parametrize(
    ("who", "obeyed"),
    [
        ({"origin": WEB}, False),
        ({"origin": "http://localhost:3000"}, False),
        ({"address": "192.168.1.7"}, False),
        (
            {"origin": "https://friend.example", "settings": {"cors_origins": "*,https://friend.example"}},
            True,
        ),
        ({"origin": "http://127.0.0.1:8080"}, True),
        ({"x_api_key": "k", "origin": WEB, "settings": {"api_keys": "k"}, "address": "192.168.1.7"}, True),
        ({}, True),
    ],
    ids=str,
)
def test_only_programs_say_how_long_a_model_stays(
    call: Call, held: ScriptedWorker, who: dict[str, Any], obeyed: bool
) -> None:
    for path, body in USES[:2]:
        answer = call("POST", path, {**body, "keep_alive": 0}, **who)
        assert answer.status_code == 200
        assert ("keep_alive" in held.runs[-1].payload) is obeyed
        assert answer.headers.get("warning") == (None if obeyed else '299 mlxq "ignored fields: keep_alive"')


def test_a_form_is_no_way_round(call: Call, make_settings: MakeSettings, held: ScriptedWorker) -> None:
    with ApiServer(make_settings()) as api, httpx.Client(base_url=api.url, headers={"origin": WEB}) as http:
        answer = http.post(
            "/v1/audio/transcriptions",
            files={"file": hum()},
            data={"model": ABSENT, "keep_alive": "0"},
        )
        assert answer.status_code == 403
        answer = http.post("/v1/images/edits", files={"image": base64.b64decode(PNG)}, data={"prompt": "x"})
        assert answer.status_code == 403
        with pytest.raises(Exception, match="404"):
            connect(f"ws://127.0.0.1:{api.port}/ws/v1/nothing", origin=Origin(WEB))
        with connect(f"ws://127.0.0.1:{api.port}/ws/v1/tts", origin=Origin(WEB)) as socket:
            socket.recv(60)
            socket.send(json.dumps({"event": "task_continue", "text": "Hello", "model": ABSENT}))
            told = json.loads(socket.recv(60))
            assert (told["event"], told["error"]["type"]) == ("error", "permission_error")
    assert held.runs == []


@pytest.mark.parametrize(("method", "path", "body"), VERBS)
def test_only_the_user_of_this_machine_administers(
    call: Call, held: ScriptedWorker, method: str, path: str, body: Any
) -> None:
    for who in (
        {"origin": WEB},
        {"origin": NULL},
        {"origin": "http://localhost:3000"},
        {"origin": "https://friend.example", "settings": {"cors_origins": "https://friend.example"}},
        {"sec_fetch_site": "cross-site"},
        {"address": "192.168.1.7"},
        {"address": "192.168.1.7", "origin": "http://127.0.0.1:8080"},
        {"address": "fe80::1"},
        {"x_forwarded_for": "203.0.113.7"},
        {"forwarded": "for=127.0.0.1"},
        {"via": "1.1 proxy"},
    ):
        answer = call(method, path, body, **who)
        assert answer.status_code == 403, who
        # Ollama's errors have no type.
        assert path.startswith("/api/") or answer.json()["error"]["type"] == "permission_error"
    assert held.runs == []


@pytest.mark.parametrize("address", ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1", "testclient"])
def test_the_user_of_this_machine_administers(call: Call, held: ScriptedWorker, address: str) -> None:
    for method, path, body in VERBS:
        if ABSENT not in str(body):
            # Nothing ends a server that runs inside this test.
            wanted = 501 if "system" in path else 200
            assert call(method, path, body, address=address).status_code == wanted, path


def test_a_page_that_is_left_out_may_do_nothing(call: Call, held: ScriptedWorker) -> None:
    narrow = {"cors_origins": "https://friend.example"}
    for method, path, body in [*VERBS, ("POST", "/v1/chat/completions", chat()), ("GET", "/v1/models", None)]:
        for origin in (WEB, NULL, "http://localhost:3000"):
            assert call(method, path, body, settings=narrow, origin=origin).status_code == 403
    assert held.runs == []
    assert call("GET", "/health", settings=narrow, origin=WEB).status_code == 200
    for origin in ("https://friend.example", "http://127.0.0.1:8080"):
        answer = call("POST", "/v1/chat/completions", chat(), settings=narrow, origin=origin)
        assert answer.status_code == 200


def test_the_hub_is_not_asked_for_a_page(call: Call) -> None:
    for path in ("models", "popular", "trending", "categories", "models/org/name"):
        assert call("GET", f"/v1/discover/{path}", origin=WEB).status_code == 403
    for path in ("models", "recommended"):
        assert call("GET", f"/v1/hub/{path}", origin=WEB).status_code == 403


def test_admin_keys_administer_and_others_use(call: Call, held: ScriptedWorker) -> None:
    keyed = {"api_keys": "user", "admin_keys": "chief"}
    for method, path, body in VERBS:
        # Of these a key sees what is its own.
        if path not in ("/v1/jobs", "/v1/usage") and ABSENT not in str(body):
            assert call(method, path, body, settings=keyed, x_api_key="user").status_code == 403, path
            allowed = call(method, path, body, settings=keyed, x_api_key="chief").status_code
            assert allowed == (501 if "system" in path else 200), path
        assert call(method, path, body, settings=keyed).status_code == 401
    for key in ("user", "chief"):
        answer = call("POST", "/v1/chat/completions", chat(), settings=keyed, x_api_key=key)
        assert answer.status_code == 200


def test_settings_with_admin_keys_alone_ask_for_one(make_settings: MakeSettings) -> None:
    settings: Settings = make_settings(admin_keys="chief")
    with TestClient(create_app(settings)) as client:
        assert client.get("/v1/models").status_code == 401
        assert client.get("/v1/models", headers={"x-api-key": "chief"}).status_code == 200


@pytest.mark.parametrize(
    ("environment", "warned"),
    [
        ({"HOST": "0.0.0.0"}, True),
        ({"HOST": "127.0.0.1"}, False),
        ({"HOST": "0.0.0.0", "API_KEYS": "k"}, False),
    ],
    ids=str,
)
def test_a_start_for_the_whole_network_without_keys_is_warned_of(
    redis_url: str, clean_redis: redis.Redis, environment: dict[str, str], warned: bool
) -> None:
    program = Program([sys.executable, "-m", "api"], {"REDIS_URL": redis_url, "PORT": "0", **environment})
    try:
        first = program.line("")
        assert ("API_KEYS" in first and "WARNING" in first) is warned, first
        assert "listening" in (program.line("listening") if warned else first)
    finally:
        program.kill_tree()
