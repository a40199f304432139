"""The user's own names of models, in a file: they take effect at once, and nothing that is wrong in it does harm."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import MakeSettings
from tests.api.requests import chat, completion
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import ScriptedWorker

BRIEF = {"model": "tiny", "temperature": 0.2, "max_tokens": 50, "stop": "END", "system": "Be brief."}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "names.json"


@pytest.fixture
def http(make_settings: MakeSettings, file: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    settings = make_settings(alias_file=file, data_dir=tmp_path / "data", hf_hub_offline=True)
    with ApiServer(settings) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


def write(http: httpx.Client, file: Path, content: Any) -> None:
    """A list makes the server look again."""
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    http.get("/v1/models").raise_for_status()


def asked(http: httpx.Client, worker: ScriptedWorker, **body: Any) -> dict[str, Any]:
    """What the engine gets for a chat."""
    answer = http.post("/v1/chat/completions", json=chat(**body))
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"] == body["model"]
    return dict(worker.runs[-1].payload)


def test_an_alias_needs_no_restart(http: httpx.Client, file: Path, worker: ScriptedWorker) -> None:
    assert http.post("/v1/chat/completions", json=chat(model="gpt-4o")).headers["warning"]
    file.write_text(json.dumps({"fast": "org/other", "gpt-4o": "org/other"}))
    asked(http, worker, model="fast")
    assert worker.runs[-1].claim.model == "org/other"
    answer = http.post("/v1/chat/completions", json=chat(model="gpt-4o"))
    assert worker.runs[-1].claim.model == "org/other"
    assert "warning" not in answer.headers, "the user has said what the name means"
    write(http, file, {"fast": "tiny"})
    asked(http, worker, model="fast")
    assert worker.runs[-1].claim.model == "tiny"
    file.unlink()
    http.get("/v1/models")
    assert http.post("/v1/chat/completions", json=chat(model="fast")).status_code == 404


def test_its_parameters_are_defaults(http: httpx.Client, file: Path, worker: ScriptedWorker) -> None:
    write(http, file, {"brief": BRIEF, "tiny": {"model": "tiny", "top_k": 5}})
    payload = asked(http, worker, model="brief")
    assert payload["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (payload["temperature"], payload["max_tokens"], payload["stop"]) == (0.2, 50, ["END"])
    messages = [{"role": "developer", "content": "Rhyme."}, {"role": "user", "content": "Hi"}]
    payload = asked(http, worker, model="brief", temperature=0, max_tokens=7, messages=messages)
    assert (payload["temperature"], payload["max_tokens"], payload["stop"]) == (0, 7, ["END"])
    assert [each["content"] for each in payload["messages"]] == ["Rhyme.", "Hi"]
    assert asked(http, worker, model="tiny")["top_k"] == 5, "a model's own name may have defaults"


def test_every_dialect_has_them(http: httpx.Client, file: Path, worker: ScriptedWorker) -> None:
    write(http, file, {"brief": BRIEF})
    hello = [{"role": "user", "content": "Hi"}]
    for path, body in (
        ("/v1/messages", {"messages": hello, "max_tokens": 9}),
        ("/v1/responses", {"input": "Hi"}),
        ("/api/chat", {"messages": hello, "stream": False}),
        ("/api/generate", {"prompt": "Hi", "stream": False}),
        ("/v1/completions", completion()),
        ("/api/generate", {"prompt": "Hi", "raw": True, "stream": False}),
    ):
        assert http.post(path, json={**body, "model": "brief"}).status_code == 200
        payload = worker.runs[-1].payload
        assert (payload["temperature"], payload["stop"]) == (0.2, ["END"]), path
        assert payload["max_tokens"] == body.get("max_tokens", 50), path
        assert "messages" not in payload or payload["messages"][0]["content"] == "Be brief."


def test_it_is_listed(http: httpx.Client, file: Path) -> None:
    write(http, file, {"brief": BRIEF, "nowhere": "org/absent"})
    rows = {row["id"]: row for row in http.get("/v1/models").json()["data"]}
    assert rows["brief"]["root"] == "tiny"
    assert "nowhere" not in rows
    assert "brief" in {row["name"] for row in http.get("/api/tags").json()["models"]}
    shown = http.post("/api/show", json={"model": "brief"}).json()
    assert (shown["system"], shown["details"]["parent_model"]) == ("Be brief.", "tiny")
    anthropic = http.get("/v1/models", headers={"anthropic-version": "2023-06-01"}).json()
    assert "brief" in {row["id"] for row in anthropic["data"]}


def test_a_model_keeps_its_name(http: httpx.Client, file: Path, worker: ScriptedWorker) -> None:
    write(http, file, {"org/other": "tiny", "tiny": "org/other"})
    for name in ("org/other", "tiny"):
        asked(http, worker, model=name)
        assert worker.runs[-1].claim.model == name


def test_what_an_alias_lacks_is_told_by_its_name(http: httpx.Client, file: Path) -> None:
    write(http, file, {"one": "two", "two": "one", "far": "org/absent"})
    for name, model in (("one", "two"), ("two", "one"), ("far", "org/absent")):
        answer = http.post("/v1/chat/completions", json=chat(model=name))
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
        assert f"'{name}' is an alias of '{model}'" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"fast": "org/other"', "not valid JSON"),
        ("[]", "is no JSON object"),
        ('{"fast": "a", "fast": "b"}', "the same key twice"),
        ("\x00", "not valid JSON"),
    ],
)
def test_a_bad_file_changes_nothing(
    http: httpx.Client,
    file: Path,
    worker: ScriptedWorker,
    caplog: pytest.LogCaptureFixture,
    content: str,
    reason: str,
) -> None:
    write(http, file, {"fast": "org/other"})
    with caplog.at_level(logging.ERROR):
        write(http, file, content)
        write(http, file, content)
    asked(http, worker, model="fast")
    assert worker.runs[-1].claim.model == "org/other"
    told = [line for line in caplog.messages if "alias file" in line]
    assert reason in told[0]
    assert str(file) in told[0]


def test_a_bad_entry_harms_no_other(
    http: httpx.Client, file: Path, worker: ScriptedWorker, caplog: pytest.LogCaptureFixture
) -> None:
    bad = {
        "hot": {"model": "tiny", "temperature": 3},
        "odd": {"model": "tiny", "colour": "red"},
        "huge": {"model": "tiny", "seed": 2**64},
        "deep": {"model": "tiny", "reasoning_effort": "extreme"},
        "none": {"temperature": 1},
        "number": 3,
        "null": None,
        "default": "org/other",
        " spaced": "tiny",
    }
    with caplog.at_level(logging.ERROR):
        write(http, file, {**bad, "good": "org/other"})
    asked(http, worker, model="good")
    for name in bad:
        assert f"the alias {name!r}" in caplog.text
        if name != "default":
            assert http.post("/v1/chat/completions", json=chat(model=name)).status_code == 404


def test_a_request_deletes_no_alias_of_the_file(
    http: httpx.Client, file: Path, worker: ScriptedWorker
) -> None:
    write(http, file, {"fast": "org/other"})
    assert http.delete("/v1/models/fast").status_code == 409
    asked(http, worker, model="fast")


def test_codex_gets_its_catalogue(http: httpx.Client, file: Path, worker: ScriptedWorker) -> None:
    """The fields that Codex 0.169 cannot do without, and no name that it knows as its maker's."""
    write(http, file, {"brief": BRIEF, "gpt-5.1-codex": "org/other", "claude-opus-4": "tiny"})
    models = http.get("/v1/models?client_version=0.169.0").json()["models"]
    assert [each["slug"] for each in models] == ["tiny", "org/other", "brief"]
    assert [each["priority"] for each in models] == [0, 1, 2]
    for each in models:
        assert each["context_window"] == 4096
        assert each["base_instructions"]
        assert each["use_responses_lite"] is False
        wanted = {
            "display_name",
            "supported_reasoning_levels",
            "shell_type",
            "visibility",
            "supported_in_api",
        }
        assert (
            wanted | {"support_verbosity", "truncation_policy", "experimental_supported_tools"} <= each.keys()
        )
