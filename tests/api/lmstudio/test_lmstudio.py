"""LM Studio's API as Zed and its other clients use it."""

import json
from typing import Annotated, Any, Literal

import httpx
import pytest
from pydantic import BaseModel, ConfigDict, Field

from jobs.errors import EngineFailure, QueueFull
from jobs.kinds import Kind
from tests.api.requests import WEATHER, chat, completion
from tests.support.scripted_worker import Run, ScriptedWorker

PARIS = {"id": "call_1", "name": "get_weather", "arguments": '{"city": "Paris"}'}

Unsigned = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    """As serde reads JSON in Zed: no value of another type, and none that is missing."""

    model_config = ConfigDict(strict=True)


class ZedModel(_Strict):
    id: str
    object: str
    type: Literal["llm", "embeddings", "vlm"]
    publisher: str
    arch: str | None = None
    compatibility_type: Literal["gguf", "mlx"]
    quantization: str | None = None
    state: Literal["loaded", "loading", "not-loaded"]
    max_context_length: Unsigned | None = None
    loaded_context_length: Unsigned | None = None
    capabilities: list[str] = []


class ZedFunction(_Strict):
    name: str | None = None
    arguments: str | None = None


class ZedCall(_Strict):
    index: Unsigned
    id: str | None = None
    function: ZedFunction | None = None


class ZedDelta(_Strict):
    role: Literal["user", "assistant", "system", "tool"] | None = None
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ZedCall] | None = None


class ZedChoice(_Strict):
    index: Unsigned
    delta: ZedDelta
    finish_reason: str | None = None


class ZedUsage(_Strict):
    prompt_tokens: Unsigned
    completion_tokens: Unsigned
    total_tokens: Unsigned


class ZedChunk(_Strict):
    created: Unsigned
    model: str
    object: str
    #: Zed reports a chunk without one as an error
    choices: Annotated[list[ZedChoice], Field(min_length=1)]
    usage: ZedUsage | None = None


def events(http: httpx.Client, path: str, body: dict[str, Any]) -> list[Any]:
    """The data of a stream, without its end."""
    with http.stream("POST", path, json={**body, "stream": True}) as answer:
        assert answer.status_code == 200, answer.read()
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]
    if lines[-1] == "[DONE]":
        del lines[-1]
    return [json.loads(line) for line in lines]


def test_zed_reads_the_list(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.announce(model="tiny", state="loaded", context_length=2048)
    rows = {each["id"]: ZedModel.model_validate(each) for each in http.get("/api/v0/models").json()["data"]}
    tiny, other = rows["tiny"], rows["org/other"]
    assert (tiny.state, tiny.loaded_context_length, tiny.publisher) == ("loaded", 2048, "mlxq")
    assert (other.state, other.loaded_context_length, other.publisher) == ("not-loaded", None, "org")
    assert (other.type, other.arch, other.max_context_length) == ("llm", "qwen3", 4096)
    assert other.capabilities == ["tool_use"]
    for name in ("org/other", "org%2Fother"):
        assert ZedModel.model_validate(http.get(f"/api/v0/models/{name}").json()) == other
    missing = http.get("/api/v0/models/nope")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


def test_zed_reads_a_stream(http: httpx.Client, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        run.tell("Hm.", field="reasoning")
        run.say("I ", "look.")
        run.tell('{"city": "Par', field="tool_call", call={"index": 0, "id": "call_1", "name": "get_weather"})
        run.answer(
            {"text": "I look.", "reasoning": "Hm.", "finish_reason": "tool_calls", "tool_calls": [PARIS]}
        )

    worker.play(play)
    told = events(http, "/api/v0/chat/completions", chat(tools=[WEATHER]))
    chunks = [ZedChunk.model_validate(each) for each in told]
    assert "".join(each.choices[0].delta.content or "" for each in chunks) == "I look."
    assert "".join(each.choices[0].delta.reasoning_content or "" for each in chunks) == "Hm."
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 10
    assert told[-1]["stats"]["stop_reason"] == "toolCalls"


def test_a_chat_tells_what_made_it_and_how_fast(http: httpx.Client, worker: ScriptedWorker) -> None:
    answer = http.post("/api/v0/chat/completions", json=chat("Hello there")).json()
    assert answer["choices"][0]["message"]["content"] == "Hello there"
    assert answer["stats"] == {
        "tokens_per_second": 2.0,
        "time_to_first_token": 0.5,
        "generation_time": 1.5,
        "stop_reason": "eosFound",
    }
    assert answer["model_info"] == {
        "arch": "qwen3",
        "quant": "unknown",
        "format": "mlx",
        "context_length": 4096,
    }
    assert answer["runtime"]["supported_formats"] == ["mlx"]


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"finish_reason": "length"}, "maxPredictedTokensReached"),
        ({"finish_reason": "stop", "stop": "END"}, "stopStringFound"),
        ({"finish_reason": "stop"}, "eosFound"),
    ],
    ids=str,
)
def test_a_text_tells_why_it_ends(
    http: httpx.Client, worker: ScriptedWorker, choice: dict[str, Any], reason: str
) -> None:
    worker.play(*[lambda run: run.answer({"text": "Hi", **choice})] * 2)
    whole = http.post("/api/v0/completions", json=completion()).json()
    assert (whole["choices"][0]["text"], whole["stats"]["stop_reason"]) == ("Hi", reason)
    *_, last = events(http, "/api/v0/completions", completion(seed=2))
    assert (last["stats"]["stop_reason"], last["usage"]["total_tokens"]) == (reason, 10)


def test_the_end_of_the_context_is_told_from_that_of_the_answer(
    http: httpx.Client, worker: ScriptedWorker
) -> None:
    worker.play(lambda run: run.complete("Hi", finish_reason="length", completion_tokens=4089))
    answer = http.post("/api/v0/chat/completions", json=chat(max_tokens=-1)).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["stats"]["stop_reason"] == "contextLengthReached"


def test_what_openais_clients_ask_for_comes_too(http: httpx.Client, worker: ScriptedWorker) -> None:
    """With `include_usage` each choice ends for itself, and the tokens come last, as OpenAI has it."""
    worker.play(lambda run: run.answer({"text": "One"}, {"text": "Two"}))
    told = events(http, "/api/v0/chat/completions", chat(n=2, stream_options={"include_usage": True}))
    assert [bool(each.get("usage")) for each in told] == [False] * (len(told) - 1) + [True]
    assert ["stats" in each for each in told[-3:]] == [False, True, False]


def test_lm_studios_words_reach_the_engine(http: httpx.Client, worker: ScriptedWorker) -> None:
    more: dict[str, Any] = {"max_tokens": -1, "repeat_penalty": 1.1, "ttl": 300}
    for path, body in (("chat/completions", chat(**more)), ("completions", completion(**more))):
        answer = http.post(f"/api/v0/{path}", json=body)
        assert "warning" not in answer.headers
        payload = worker.runs[-1].payload
        assert payload["max_tokens"] == -1
        assert (payload["repetition_penalty"], payload["keep_alive"]) == (1.1, 300)


def test_a_page_does_not_say_how_long_a_model_stays(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.announce(model="tiny", state="loaded")
    page = {"origin": "https://page.example"}
    answer = http.post("/api/v0/chat/completions", json=chat(ttl=0), headers=page)
    assert answer.status_code == 200
    assert "keep_alive" not in worker.runs[-1].payload


def test_a_job_has_the_same_answer_later(http: httpx.Client, worker: ScriptedWorker) -> None:
    accepted = http.post("/api/v0/chat/completions", json=chat("Hello"), headers={"prefer": "respond-async"})
    assert accepted.status_code == 202
    job = http.get(f"/v1/jobs/{accepted.json()['id']}?wait=20").json()
    assert job["result"]["choices"][0]["message"]["content"] == "Hello"
    assert job["result"]["stats"]["stop_reason"] == "eosFound"


def test_models_are_listed_loaded_and_unloaded_by_version_1(
    http: httpx.Client, worker: ScriptedWorker
) -> None:
    worker.announce(model="tiny", state="loaded", context_length=2048)
    rows = {each["key"]: each for each in http.get("/api/v1/models").json()["models"]}
    assert rows["tiny"]["loaded_instances"] == [{"id": "tiny", "config": {"context_length": 2048}}]
    other = rows["org/other"]
    assert other["loaded_instances"] == []
    assert (other["type"], other["display_name"], other["format"]) == ("llm", "other", "mlx")
    assert other["capabilities"] == {"vision": False, "trained_for_tool_use": True}
    worker.play(lambda run: run.end(result={"status": "loaded", "load_seconds": 1.25}))
    body = {"model": "org/other", "echo_load_config": True, "flash_attention": True, "parallel": 4}
    answer = http.post("/api/v1/models/load", json=body)
    assert answer.headers["warning"] == '299 mlxq "ignored fields: parallel"'
    assert answer.json() == {
        "type": "llm",
        "instance_id": "org/other",
        "status": "loaded",
        "load_time_seconds": 1.25,
        "load_config": {"context_length": 4096},
    }
    unloaded = http.post("/api/v1/models/unload", json={"instance_id": "org/other"}).json()
    assert unloaded == {"instance_id": "org/other"}
    assert [(run.claim.kind, run.claim.model) for run in worker.runs] == [
        (Kind.LOAD, "org/other"),
        (Kind.UNLOAD, "org/other"),
    ]


def test_errors_come_in_answers_and_streams(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.fail(QueueFull("Full.")))
    answer = http.post("/api/v0/chat/completions", json=chat())
    assert (answer.status_code, answer.json()["error"]["message"]) == (429, "Full.")

    def play(run: Run) -> None:
        run.say("Half of")
        run.fail(EngineFailure("The model failed."))

    worker.play(play)
    *_, last = events(http, "/api/v0/chat/completions", chat("Again"))
    assert last["error"]["message"] == "The model failed."


BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "no model": ("v0/chat/completions", {"model": None}),
    "model is a number": ("v0/chat/completions", {"model": 3}),
    "no messages": ("v0/chat/completions", {"messages": None}),
    "empty messages": ("v0/chat/completions", {"messages": []}),
    "messages is text": ("v0/chat/completions", {"messages": "Hello"}),
    "role": ("v0/chat/completions", {"messages": [{"role": "wizard", "content": "x"}]}),
    "content is a number": ("v0/chat/completions", {"messages": [{"role": "user", "content": 3}]}),
    "max_tokens below -1": ("v0/chat/completions", {"max_tokens": -2}),
    "max_tokens is text": ("v0/chat/completions", {"max_tokens": "-1"}),
    "repeat_penalty": ("v0/chat/completions", {"repeat_penalty": 0}),
    "repeat_penalty is text": ("v0/chat/completions", {"repeat_penalty": "strong"}),
    "ttl": ("v0/chat/completions", {"ttl": "long"}),
    "ttl is a list": ("v0/chat/completions", {"ttl": []}),
    "temperature": ("v0/chat/completions", {"temperature": 3}),
    "stream is text": ("v0/chat/completions", {"stream": "yes"}),
    "tools is an object": ("v0/chat/completions", {"tools": {}}),
    "tool_choice": ("v0/chat/completions", {"tool_choice": "maybe"}),
    "response_format": ("v0/chat/completions", {"response_format": {"type": "xml"}}),
    "no prompt": ("v0/completions", {"prompt": None}),
    "prompt is a number": ("v0/completions", {"prompt": 3}),
    "suffix": ("v0/completions", {"suffix": "x"}),
    "stop is a number": ("v0/completions", {"stop": 3}),
    "max_tokens below -1 of a text": ("v0/completions", {"max_tokens": -2}),
    "no input": ("v0/embeddings", {"input": None}),
    "empty input": ("v0/embeddings", {"input": ""}),
    "input of both kinds": ("v0/embeddings", {"input": ["x", [1]]}),
    "load nothing": ("v1/models/load", {"model": None}),
    "load a number": ("v1/models/load", {"model": 3}),
    "echo is text": ("v1/models/load", {"echo_load_config": "yes"}),
    "unload nothing": ("v1/models/unload", {"instance_id": None}),
    "top_p": ("v0/chat/completions", {"top_p": 2}),
    "stop is an object": ("v0/chat/completions", {"stop": {}}),
    "n is text": ("v0/chat/completions", {"n": "many"}),
    "a message is text": ("v0/chat/completions", {"messages": ["Hello"]}),
    "input is an object": ("v0/embeddings", {"input": {}}),
    "dimensions": ("v0/embeddings", {"dimensions": 0}),
    "unload a list": ("v1/models/unload", {"instance_id": ["tiny"]}),
}
USUAL: dict[str, dict[str, Any]] = {
    "v0/chat/completions": chat(),
    "v0/completions": completion(),
    "v0/embeddings": {"model": "tiny", "input": "x"},
    "v1/models/load": {"model": "tiny"},
    "v1/models/unload": {"instance_id": "tiny"},
}


def test_bad_input_is_refused(http: httpx.Client) -> None:
    for name, (path, fields) in BAD.items():
        body = {key: value for key, value in {**USUAL[path], **fields}.items() if value is not None}
        answer = http.post(f"/api/{path}", json=body)
        assert answer.status_code == 400, (name, answer.text)
        assert answer.json()["error"]["type"] == "invalid_request_error", name
    for data in (b"", b"[]", b"{", b'"x"'):
        assert http.post("/api/v0/chat/completions", content=data).status_code == 400
    for path in ("v1/models/load", "v1/models/unload"):
        body = {"model": "nope", "instance_id": "nope"}
        assert http.post(f"/api/{path}", json=body).status_code == 404
