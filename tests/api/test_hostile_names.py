"""Names of models that are meant to lead elsewhere are refused on every route, and nothing outside is touched."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import MakeSettings, put_model
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import ScriptedWorker

#: A secret place beside the root; `{out}` stands for it.
NAMES = [
    ".",
    "..",
    "../outside/secret",
    "tiny/../../outside/secret",
    "..\\outside\\secret",
    "%2e%2e%2foutside%2fsecret",
    "{out}",
    "{out}/secret",
    "file://{out}/secret",
    "~",
    "~root",
    "link",
    "org/link/",
    "link/secret",
    "org/..",
    "org/name/more",
    "models--org--name",
    "tiny\0",
    "tiny+../../outside/secret",
    "+",
    "/",
    "//",
    "\n",
    "x" * 3000,
    "a/" * 1500,
]
MESSAGES = [{"role": "user", "content": "Hello!"}]
#: Routes with a name in their path.
PATHS = [
    ("GET", "/v1/models/{}", None),
    ("DELETE", "/v1/models/{}", None),
    ("DELETE", "/v1/models/{}?remove_files=false", None),
    ("POST", "/v1/models/{}/load", None),
    ("POST", "/v1/models/{}/unload", None),
    ("GET", "/v1/models/{}/health", None),
    ("POST", "/v1/models/{}/generate", {"prompt": "Hello"}),
    ("GET", "/v1/manager/models/{}/status", None),
    ("POST", "/v1/manager/models/{}/priority", {"priority": 1}),
    ("GET", "/v1/discover/models/{}", None),
]
#: Routes with a name in their body, by the field that has it.
BODIES: list[tuple[str, str, dict[str, Any]]] = [
    ("/v1/models/load", "model", {}),
    ("/v1/models/load", "model", {"model_type": "llm"}),
    ("/v1/models/download", "repo_id", {}),
    ("/v1/models/install", "model_id", {"name": "nice"}),
    ("/v1/models/install", "name", {"model_id": "tiny"}),
    ("/v1/chat/completions", "model", {"messages": MESSAGES}),
    ("/v1/chat/completions", "adapters", {"model": "tiny", "messages": MESSAGES}),
    ("/v1/chat/completions", "draft_model", {"model": "tiny", "messages": MESSAGES}),
    ("/v1/completions", "model", {"prompt": "Hello"}),
    ("/v1/embeddings", "model", {"input": "Hello"}),
    ("/v1/audio/speech", "model", {"input": "Hello"}),
    ("/v1/audio/transcriptions", "model", {"file": "AAAA"}),
]

_watched: list[Path] = []
_touched: list[str] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watched or not (event == "open" or event.startswith(("os.", "shutil."))):
        return
    for argument in arguments:
        if isinstance(argument, str | bytes | Path) and os.fsdecode(argument).startswith(str(_watched[0])):
            _touched.append(f"{event} {os.fsdecode(argument)}")


@pytest.fixture(scope="module", autouse=True)
def hook() -> None:
    """Hears of every file that this process opens, lists, moves or deletes. It can't be taken away again."""
    sys.addaudithook(_hook)


@pytest.fixture
def outside(tmp_path: Path, model_root: Path) -> Iterator[Path]:
    """A model beside the roots, and links to it in them. It is watched."""
    outside = tmp_path / "outside"
    put_model(outside, "secret")
    (model_root / "link").symlink_to(outside)
    (model_root / "org" / "link").symlink_to(outside / "secret")
    _touched.clear()
    _watched.append(outside)
    yield outside
    _watched.clear()


@pytest.fixture
def http(
    make_settings: MakeSettings, worker: ScriptedWorker, outside: Path, tmp_path: Path
) -> Iterator[httpx.Client]:
    worker.announce(model="tiny", state="loaded")
    settings = make_settings(
        data_dir=tmp_path / "data", hub_cache=tmp_path / "cache", auto_download=False, hf_hub_offline=True
    )
    with ApiServer(settings) as api, httpx.Client(base_url=api.url, timeout=30) as client:
        yield client


def check(answer: httpx.Response, outside: Path, asked: object) -> None:
    assert 400 <= answer.status_code < 500, (asked, answer.status_code, answer.text)
    assert "secret" in str(asked) or "secret" not in answer.text
    assert (outside / "secret" / "config.json").exists()


@pytest.mark.parametrize(("method", "path", "body"), PATHS)
def test_in_paths(
    http: httpx.Client, worker: ScriptedWorker, outside: Path, method: str, path: str, body: Any
) -> None:
    for name in NAMES:
        # An address without a name is another address; a hub may well have a model called so.
        if not name.strip("/") or ("discover" in path and name in ("org/link/", "link/secret")):
            continue
        raw = name.replace("{out}", str(outside))
        quoted = "".join(f"%{byte:02X}" for byte in raw.encode())
        check(http.request(method, path.format(quoted), json=body), outside, (method, path, name))
    assert worker.runs == []
    assert _touched == []


@pytest.mark.parametrize(("path", "field", "rest"), BODIES)
def test_in_bodies(
    http: httpx.Client, worker: ScriptedWorker, outside: Path, path: str, field: str, rest: dict[str, Any]
) -> None:
    for name in NAMES:
        if field == "name" and name in ("link", "models--org--name"):
            continue  # a user may call a model so
        answer = http.post(path, json={**rest, field: name.replace("{out}", str(outside))})
        check(answer, outside, (path, field, name))
    assert worker.runs == []
    assert _touched == []
