"""Ollama's API as its own package and its other clients use it."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import ollama
import pytest

from jobs.errors import EngineFailure, QueueFull
from jobs.kinds import Kind
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import Run, ScriptedWorker

HELLO = [{"role": "user", "content": "Hello"}]
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
PARIS = {"id": "call_1", "name": "get_weather", "arguments": '{"city": "Paris"}'}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+M8AAAMBAQDJ/pLvAAAAAElFTkSuQmCC"


@pytest.fixture
def client(api: ApiServer) -> Iterator[ollama.Client]:
    client = ollama.Client(host=api.url)
    yield client
    client._client.close()


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "tiny", "messages": HELLO, **fields}


def lines(http: httpx.Client, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of a stream."""
    with http.stream("POST", path, json=body) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"] == "application/x-ndjson"
        return [json.loads(line) for line in answer.iter_lines()]


def is_empty(line: dict[str, Any]) -> bool:
    """Whether a line says only that the connection lives."""
    return not line["done"] and line["message"] == {"role": "assistant", "content": ""}


def heard(http: httpx.Client, worker: ScriptedWorker, **fields: Any) -> dict[str, Any]:
    """What the engine gets."""
    http.post("/api/chat", json=chat(stream=False, **fields)).raise_for_status()
    return dict(worker.runs[-1].payload)


def test_a_chat_is_answered(client: ollama.Client, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.complete("Hi there"))
    answer = client.chat("tiny:latest", HELLO)
    assert (answer.message.role, answer.message.content) == ("assistant", "Hi there")
    assert (answer.model, answer.done, answer.done_reason) == ("tiny:latest", True, "stop")
    assert (answer.prompt_eval_count, answer.eval_count) == (7, 3)
    assert (answer.prompt_eval_duration, answer.eval_duration) == (500_000_000, 1_500_000_000)


def test_a_chat_is_streamed_unless_it_is_told_not_to(http: httpx.Client, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        run.tell("Hm.", field="reasoning")
        run.say("I ", "look.")
        run.tell('{"city": "Par', field="tool_call", call={"index": 0, "id": "call_1", "name": "get_weather"})
        run.answer(
            {"text": "I look.", "reasoning": "Hm.", "finish_reason": "tool_calls", "tool_calls": [PARIS]}
        )

    worker.play(play)
    told = [each for each in lines(http, "/api/chat", chat(tools=[WEATHER])) if not is_empty(each)]
    assert {each["model"] for each in told} == {"tiny"}
    assert all(each["created_at"].endswith("Z") for each in told)
    *messages, last = [each["message"] for each in told]
    assert messages[0] == {"role": "assistant", "content": "", "thinking": "Hm."}
    assert "".join(each["content"] for each in messages) == "I look."
    assert messages[-1]["tool_calls"] == [
        {"id": "call_1", "function": {"index": 0, "name": "get_weather", "arguments": {"city": "Paris"}}}
    ]
    assert last == {"role": "assistant", "content": ""}
    assert [each["done"] for each in told] == [False] * (len(told) - 1) + [True]
    assert told[-1]["eval_count"] == 3


def test_options_reach_the_engine(http: httpx.Client, worker: ScriptedWorker) -> None:
    payload = heard(
        http,
        worker,
        options={
            "temperature": 0.5,
            "top_k": 5,
            "top_p": 0.9,
            "min_p": 0.1,
            "seed": 7,
            "num_predict": 12,
            "stop": "END",
            "repeat_penalty": 1.1,
            "repeat_last_n": 64,
            "num_ctx": 9007,
            "num_gpu": None,
            "mirostat": None,
        },
        keep_alive="5m",
        think="high",
    )
    del payload["messages"]
    assert payload == {
        "temperature": 0.5,
        "top_k": 5,
        "top_p": 0.9,
        "min_p": 0.1,
        "seed": 7,
        "max_tokens": 12,
        "stop": ["END"],
        "repetition_penalty": 1.1,
        **dict.fromkeys(("repetition_context_size", "presence_context_size", "frequency_context_size"), 64),
        "keep_alive": 300.0,
        "enable_thinking": True,
        "reasoning_effort": "high",
    }
    for bound in (-1, -2):
        assert heard(http, worker, options={"num_predict": bound}, format="", tools=[])["max_tokens"] == -1


def test_options_that_mean_none(http: httpx.Client, worker: ScriptedWorker) -> None:
    assert "seed" not in heard(http, worker, options={"seed": -1})
    assert heard(http, worker, options={"repeat_last_n": -1})["repetition_context_size"] == 2**31 - 1
    off = heard(http, worker, options={"repeat_last_n": 0, "repeat_penalty": 1.2, "presence_penalty": 1.5})
    assert (off["repetition_penalty"], off["presence_penalty"], off["frequency_penalty"]) == (1.0, 0.0, 0.0)


def test_what_has_no_effect_is_named(http: httpx.Client, worker: ScriptedWorker) -> None:
    engine = {
        "num_ctx": 4096,
        "num_gpu": 1,
        "typical_p": 1.0,
        "mirostat": 0,
        "mirostat_tau": 5.0,
        "tfs_z": None,
    }
    answer = http.post("/api/chat", json=chat(stream=False, options=engine))
    assert "warning" not in answer.headers
    vain = {**engine, "mirostat": 1, "typical_p": 0.5, "max_tokens": 3}
    answer = http.post("/api/chat", json=chat(stream=False, options=vain))
    named = "options.max_tokens, options.mirostat, options.typical_p"
    assert answer.headers["warning"] == f'299 mlxq "ignored fields: {named}"'
    prompt = {"model": "tiny", "prompt": "Hello", "stream": False}
    answer = http.post("/api/generate", json={**prompt, "context": [], "template": ""})
    assert "warning" not in answer.headers
    answer = http.post("/api/generate", json={**prompt, "context": [1, 2], "template": "{{ .Prompt }}"})
    assert answer.headers["warning"] == '299 mlxq "ignored fields: context, template"'


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("-1m", -60.0),
        ("250ms", 0.25),
        (".5s", 0.5),
        ("-1", -1.0),
        (90, 90.0),
    ],
)
def test_durations_are_those_of_go(
    http: httpx.Client, worker: ScriptedWorker, said: object, seconds: float
) -> None:
    assert heard(http, worker, keep_alive=said)["keep_alive"] == seconds


def test_formats_are_enforced(http: httpx.Client, worker: ScriptedWorker) -> None:
    assert heard(http, worker, format="json")["grammar"]["json_schema"]["type"] == "object"
    schema = {"title": "A", "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    assert heard(http, worker, format=schema)["grammar"]["json_schema"]["required"] == ["a"]


def test_results_belong_to_calls_by_their_order(http: httpx.Client, worker: ScriptedWorker) -> None:
    call = {"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}
    messages = [
        *HELLO,
        {"role": "assistant", "content": None, "thinking": "Hm.", "tool_calls": [call, call], "images": []},
        {"role": "tool", "content": "Sunny"},
        {"role": "tool", "tool_name": "get_weather", "content": "Rainy"},
    ]
    _, asked, first, second = heard(http, worker, messages=messages)["messages"]
    assert asked["reasoning_content"] == "Hm."
    assert [each["tool_call_id"] for each in (first, second)] == [each["id"] for each in asked["tool_calls"]]


def test_a_prompt_is_completed(client: ollama.Client, worker: ScriptedWorker) -> None:
    answer = client.generate("tiny", "Hello", system="Be brief.")
    assert (answer.response, answer.done) == ("Hello", True)
    assert worker.runs[-1].payload["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]
    parts = [part.response for part in client.generate("tiny", "Hello there", raw=True, stream=True)]
    assert "".join(filter(None, parts)) == "Hello there"
    assert worker.runs[-1].claim.kind is Kind.COMPLETION


def test_an_empty_request_loads_and_unloads(client: ollama.Client, worker: ScriptedWorker) -> None:
    answer = client.generate("tiny", "")
    assert (answer.done, answer.done_reason, answer.response) == (True, "load", "")
    assert client.chat("tiny", []).done_reason == "load"
    assert client.chat("tiny", [], keep_alive=0).done_reason == "unload"
    assert [run.claim.kind for run in worker.runs] == [Kind.LOAD, Kind.LOAD, Kind.UNLOAD]


def test_errors_are_ollamas(client: ollama.Client, http: httpx.Client, worker: ScriptedWorker) -> None:
    for streamed in (False, True):
        with pytest.raises(ollama.ResponseError, match=r"^model 'nope' not found") as missing:
            list(client.chat("nope", HELLO, stream=streamed))
        assert missing.value.status_code == 404
    worker.play(lambda run: run.fail(QueueFull("Full.")))
    answer = http.post("/api/chat", json=chat(stream=False))
    assert (answer.status_code, answer.json()) == (429, {"error": "Full."})

    def play(run: Run) -> None:
        run.say("Half of")
        run.fail(EngineFailure("The model failed."))

    worker.play(play)
    assert lines(http, "/api/chat", chat())[-1] == {"error": "The model failed."}


def test_models_are_listed_and_shown(
    client: ollama.Client, http: httpx.Client, worker: ScriptedWorker
) -> None:
    worker.announce(model="tiny", state="loaded")
    found = client.list().models
    assert sorted(each.model or "" for each in found) == ["org/other", "tiny"]
    assert found[0].details is not None
    assert found[0].details.family == "qwen3"
    assert [each.model for each in client.ps().models] == ["tiny"]
    for body in ({"model": "tiny"}, {"name": "tiny:latest"}):
        shown = ollama.ShowResponse.model_validate(http.post("/api/show", json=body).json())
        assert shown.capabilities == ["completion", "tools"]
        assert shown.modelinfo is not None
        assert shown.modelinfo["qwen3.context_length"] == 4096
    with pytest.raises(ollama.ResponseError, match="not found"):
        client.show("nope")
    assert http.get("/api/version").json()["version"] >= "0.13.4"
    assert http.get("/").status_code == http.head("/").status_code == 200


def test_what_is_here_need_not_be_pulled(client: ollama.Client, http: httpx.Client) -> None:
    assert client.pull("tiny").status == "success"
    assert [each.status for each in client.pull("tiny:latest", stream=True)][-1] == "success"
    with pytest.raises(ollama.ResponseError, match="not found"):
        client.pull("nope")


def test_a_model_is_deleted(client: ollama.Client, http: httpx.Client, worker: ScriptedWorker) -> None:
    assert client.delete("org/other").status == "success"
    assert [each.model for each in client.list().models] == ["tiny"]
    with pytest.raises(ollama.ResponseError, match="not found"):
        client.delete("org/other")


#: Parameters of a function that are no object.
LIST = {"type": "function", "function": {"name": "a", "parameters": {"type": "array"}}}
BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "no model": ("chat", {"model": None}),
    "model is a number": ("chat", {"model": 3}),
    "messages is text": ("chat", {"messages": "Hello"}),
    "role": ("chat", {"messages": [{"role": "wizard", "content": "x"}]}),
    "content is a number": ("chat", {"messages": [{"role": "user", "content": 3}]}),
    "images is text": ("chat", {"messages": [{"role": "user", "content": "x", "images": "x"}]}),
    "image is a number": ("chat", {"messages": [{"role": "user", "content": "x", "images": [3]}]}),
    "image of an assistant": ("chat", {"messages": [{"role": "assistant", "content": "x", "images": [PNG]}]}),
    "call without a name": ("chat", {"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]}),
    "stream is text": ("chat", {"stream": "no"}),
    "format": ("chat", {"format": "xml"}),
    "format is a list": ("chat", {"format": []}),
    "schema": ("chat", {"format": {"type": "wrong"}}),
    "options is a list": ("chat", {"options": []}),
    "temperature": ("chat", {"options": {"temperature": -1}}),
    "temperature is text": ("chat", {"options": {"temperature": "hot"}}),
    "top_p": ("chat", {"options": {"top_p": 2}}),
    "top_k": ("chat", {"options": {"top_k": -2}}),
    "num_predict": ("chat", {"options": {"num_predict": 1.5}}),
    "num_predict below -2": ("chat", {"options": {"num_predict": -3}}),
    "stop is a number": ("chat", {"options": {"stop": 3}}),
    "empty stop": ("chat", {"options": {"stop": [""]}}),
    "repeat_penalty": ("chat", {"options": {"repeat_penalty": 0}}),
    "seed": ("chat", {"options": {"seed": "x"}}),
    "think": ("chat", {"think": "deeply"}),
    "keep_alive": ("chat", {"keep_alive": "long"}),
    "tools is an object": ("chat", {"tools": {}}),
    "tool without a function": ("chat", {"tools": [{"type": "function"}]}),
    "tool of a list": (
        "chat",
        {"tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "array"}}}]},
    ),
    "prompt is a number": ("generate", {"prompt": 3}),
    "suffix": ("generate", {"prompt": "x", "suffix": "y"}),
    "raw with a system prompt": ("generate", {"prompt": "x", "raw": True, "system": "y"}),
    "raw with a format": ("generate", {"prompt": "x", "raw": True, "format": "json"}),
    "raw with an image": ("generate", {"prompt": "x", "raw": True, "images": [PNG]}),
    "raw is text": ("generate", {"prompt": "x", "raw": "yes"}),
    "system is a number": ("generate", {"prompt": "x", "system": 3}),
    "input is a number": ("embed", {"input": 3}),
    "dimensions": ("embed", {"input": "x", "dimensions": 0}),
    "prompt is a list": ("embeddings", {"prompt": []}),
    "show nothing": ("show", {"model": None}),
    "pull a number": ("pull", {"model": 3}),
}


def test_bad_input_is_refused_in_ollamas_shape(http: httpx.Client) -> None:
    for name, (path, fields) in BAD.items():
        usual = {"chat": chat(), "generate": {"model": "tiny"}}.get(path, {"model": "tiny"})
        body = {key: value for key, value in {**usual, **fields}.items() if value is not None}
        answer = http.post(f"/api/{path}", json=body)
        assert answer.status_code == 400, (name, answer.text)
        assert list(answer.json()) == ["error"], name
