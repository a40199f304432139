"""Models that Ollama's clients make of others: aliases with parameters and a system prompt."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import ollama
import pytest
import redis

from tests.api.conftest import MakeSettings
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import ScriptedWorker

HELLO = [{"role": "user", "content": "Hello"}]
FILE = '''# A plumber.
from tiny:latest
PARAMETER temperature 0.2
PARAMETER num_ctx 4096
PARAMETER stop "<|end|>"
parameter stop END
LICENSE """
Any
"""

SYSTEM """You are Mario.
Be brief."""
'''


@pytest.fixture
def api(make_settings: MakeSettings, tmp_path: Path) -> Iterator[ApiServer]:
    with ApiServer(make_settings(data_dir=tmp_path / "data", hf_hub_offline=True)) as server:
        yield server


@pytest.fixture
def client(api: ApiServer) -> Iterator[ollama.Client]:
    client = ollama.Client(host=api.url)
    yield client
    client._client.close()


def make(client: ollama.Client, name: str = "mario", **more: Any) -> None:
    parameters = {"temperature": 0.2, "num_predict": 40, "stop": ["END"], "num_ctx": 4096}
    fields: dict[str, Any] = {"from_": "tiny", "system": "You are Mario.", "parameters": parameters, **more}
    assert client.create(name, **fields).status == "success"


def test_a_model_is_made_of_another(
    client: ollama.Client, http: httpx.Client, worker: ScriptedWorker
) -> None:
    make(client)
    answer = client.chat("mario", HELLO)
    assert answer.model == "mario"
    run = worker.runs[-1]
    assert run.claim.model == "tiny"
    assert run.payload["messages"][0] == {"role": "system", "content": "You are Mario."}
    assert (run.payload["temperature"], run.payload["max_tokens"], run.payload["stop"]) == (0.2, 40, ["END"])
    client.chat("mario:latest", HELLO, options={"temperature": 1.0})
    assert worker.runs[-1].payload["temperature"] == 1.0
    http.post("/v1/chat/completions", json={"model": "mario", "messages": HELLO}).raise_for_status()
    assert worker.runs[-1].payload["max_tokens"] == 40


def test_it_is_listed_shown_copied_and_deleted(client: ollama.Client, http: httpx.Client) -> None:
    make(client)
    client.copy("mario", "luigi")
    names = [each.model for each in client.list().models]
    assert sorted(map(str, names)) == ["luigi", "mario", "org/other", "tiny"]
    assert {"mario", "luigi"} <= {row["id"] for row in http.get("/v1/models").json()["data"]}
    for name in ("mario", "luigi:latest"):
        shown = client.show(name)
        assert shown.details is not None
        assert shown.details.parent_model == "tiny"
        assert [line.split() for line in str(shown.parameters).splitlines()] == [
            ["temperature", "0.2"],
            ["num_predict", "40"],
            ["stop", '"END"'],
        ]
        assert str(shown.modelfile).startswith("FROM tiny\nPARAMETER temperature 0.2\n")
        assert 'SYSTEM """You are Mario."""' in str(shown.modelfile)
    assert client.delete("mario").status == "success"
    assert sorted(str(each.model) for each in client.list().models) == ["luigi", "org/other", "tiny"]
    with pytest.raises(ollama.ResponseError, match="not found"):
        client.show("mario")
    client.delete("org/other")
    assert sorted(str(each.model) for each in client.list().models) == ["luigi", "tiny"]


def test_a_modelfile_says_the_same(client: ollama.Client, http: httpx.Client, worker: ScriptedWorker) -> None:
    with http.stream("POST", "/api/create", json={"name": "mario", "modelfile": FILE}) as answer:
        assert answer.status_code == 200, answer.read()
        assert [*answer.iter_lines()][-1] == '{"status":"success"}'
    client.chat("mario", HELLO)
    payload = worker.runs[-1].payload
    assert payload["messages"][0]["content"] == "You are Mario.\nBe brief."
    assert (payload["temperature"], payload["stop"]) == (0.2, ["<|end|>", "END"])
    again = client.show("mario").modelfile
    http.post("/api/create", json={"name": "twin", "modelfile": again, "stream": False}).raise_for_status()
    twin = client.show("twin")
    assert (twin.modelfile, twin.parameters) == (again, client.show("mario").parameters)


def test_parameters_without_effect_are_named(
    client: ollama.Client, http: httpx.Client, worker: ScriptedWorker
) -> None:
    said = {"seed": -1, "repeat_last_n": -1, "presence_penalty": 0.5, "num_ctx": 4096, "mirostat": 2}
    file = "".join(["FROM tiny\n", *(f"PARAMETER {name} {value}\n" for name, value in said.items())])
    for body in ({"from": "tiny", "parameters": said}, {"modelfile": file}):
        answer = http.post("/api/create", json={"model": "mario", "stream": False, **body})
        assert answer.headers["warning"] == '299 mlxq "ignored fields: parameters.mirostat"'
        client.chat("mario", HELLO)
        payload = worker.runs[-1].payload
        assert "seed" not in payload
        assert (payload["presence_penalty"], payload["presence_context_size"]) == (0.5, 2**31 - 1)
        shown = str(client.show("mario").parameters).split()
        assert shown == ["repeat_last_n", "2147483647", "presence_penalty", "0.5"]


def test_one_is_made_of_another_one(client: ollama.Client, worker: ScriptedWorker) -> None:
    make(client)
    make(client, "hot", from_="mario", system=None, parameters={"temperature": 1.5})
    client.delete("mario")
    client.chat("hot", HELLO)
    payload = worker.runs[-1].payload
    assert (payload["temperature"], payload["max_tokens"]) == (1.5, 40)
    assert payload["messages"][0]["content"] == "You are Mario."
    make(client, "hot", from_="org/other", system=None, parameters=None)
    client.chat("hot", HELLO)
    assert worker.runs[-1].claim.model == "org/other"
    assert "temperature" not in worker.runs[-1].payload


def test_it_outlives_redis(
    client: ollama.Client, make_settings: MakeSettings, clean_redis: redis.Redis, tmp_path: Path
) -> None:
    make(client)
    clean_redis.flushdb()
    with (
        ApiServer(make_settings(data_dir=tmp_path / "data")) as other,
        httpx.Client(base_url=other.url) as http,
    ):
        assert "You are Mario." in http.post("/api/show", json={"model": "mario"}).text


BAD: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "no FROM": ("create", {"model": "x"}, 400, "FROM"),
    "an unknown FROM": ("create", {"model": "x", "from": "nope"}, 404, "'nope' not found"),
    "TEMPLATE": ("create", {"model": "x", "from": "tiny", "template": "{{ .Prompt }}"}, 400, "TEMPLATE"),
    "ADAPTER": ("create", {"model": "x", "from": "tiny", "adapters": {"a": "sha256:0"}}, 400, "ADAPTER"),
    "MESSAGE": ("create", {"model": "x", "from": "tiny", "messages": HELLO}, 400, "MESSAGE"),
    "files": ("create", {"model": "x", "files": {"a.gguf": "sha256:0"}}, 400, "Files"),
    "quantize": ("create", {"model": "x", "from": "tiny", "quantize": "q4_K_M"}, 400, "Quantisation"),
    "a bad parameter": (
        "create",
        {"model": "x", "from": "tiny", "parameters": {"temperature": 9}},
        400,
        "temperature",
    ),
    "no tokens": (
        "create",
        {"model": "x", "from": "tiny", "parameters": {"num_predict": 0}},
        400,
        "max_tokens",
    ),
    "a model's name": ("create", {"model": "org/other", "from": "tiny"}, 409, "is that of a model"),
    "the default's name": ("copy", {"source": "org/other", "destination": "tiny"}, 409, "is that of a model"),
    "the name default": ("create", {"model": "default", "from": "tiny"}, 400, "can't be given"),
    "a name with a line": ("create", {"model": "a\nb", "from": "tiny"}, 400, "printable"),
    "TEMPLATE in a file": ("create", {"model": "x", "modelfile": "FROM tiny\nTEMPLATE x"}, 400, "TEMPLATE"),
    "MESSAGE in a file": (
        "create",
        {"model": "x", "modelfile": "FROM tiny\nMESSAGE user Hi"},
        400,
        "MESSAGE",
    ),
    "a wrong line": ("create", {"model": "x", "modelfile": "FROM tiny\nHello"}, 400, "'Hello'"),
    "an unknown instruction": ("create", {"model": "x", "modelfile": "FROM tiny\nRUN it"}, 400, "RUN"),
    "nothing to copy": ("copy", {"source": "nope", "destination": "x"}, 404, "'nope' not found"),
    "no destination": ("copy", {"source": "tiny"}, 400, "destination"),
    "push": ("push", {"model": "tiny"}, 501, "not supported"),
    "blobs": ("blobs/sha256:0", {}, 501, "not supported"),
}


def test_what_cannot_be_made_is_refused_with_its_reason(http: httpx.Client) -> None:
    for name, (path, body, status, reason) in BAD.items():
        answer = http.post(f"/api/{path}", json=body)
        assert (answer.status_code, list(answer.json())) == (status, ["error"]), (name, answer.text)
        assert reason in answer.json()["error"], name
    assert sorted(row["name"] for row in http.get("/api/tags").json()["models"]) == ["org/other", "tiny"]
