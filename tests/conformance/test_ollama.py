"""Every body and every line of Ollama's API is what the types of its SDK say, with nothing unexpected beside it."""

import json
from typing import Any

import ollama
import pytest

from tests.conformance.test_shapes import ASK_WEATHER, SAY, SIZE, TOOL
from tests.support.minilm import NAME as MINILM
from tests.support.sdk_types import check_type
from tests.support.system import System

#: What Ollama's own server sends and the types of its package do not have.
EXTRAS = {
    "ToolCall": frozenset({"id"}),
    "Function": frozenset({"index"}),
    "Logprob": frozenset({"bytes"}),
    "TokenLogprob": frozenset({"bytes"}),
    "Model": frozenset({"name", "capabilities"}),
}
GREEDY = {"temperature": 0, "num_predict": 200}
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("chat", {}),
    "cut": ("chat", {"options": {**GREEDY, "num_predict": 2}}),
    "thoughts": ("chat", {"think": True}),
    "thoughts that are cut": ("chat", {"think": True, "options": {**GREEDY, "num_predict": 3}}),
    "a call": ("chat", {"messages": ASK_WEATHER, "tools": [TOOL]}),
    "a call with thoughts": ("chat", {"messages": ASK_WEATHER, "tools": [TOOL], "think": True}),
    "any JSON": ("chat", {"model": "random", "format": "json"}),
    "a structure": ("chat", {"model": "random", "format": SIZE}),
    "loading": ("chat", {"messages": []}),
    "a prompt": ("generate", {}),
    "a prompt with thoughts": ("generate", {"think": True}),
    "logprobs": ("chat", {"logprobs": True, "top_logprobs": 3}),
    "logprobs of a prompt": ("generate", {"raw": True, "logprobs": True}),
    "a raw prompt": ("generate", {"raw": True}),
    "loading for a prompt": ("generate", {"prompt": ""}),
}
KINDS = {"chat": ollama.ChatResponse, "generate": ollama.GenerateResponse}


@pytest.mark.parametrize("name", REQUESTS)
def test_an_answer_and_its_lines(system: System, name: str) -> None:
    verb, fields = REQUESTS[name]
    asked: dict[str, Any] = {"messages": SAY} if verb == "chat" else {"prompt": "The capital of France is"}
    body = {"model": "tiny-chat", "options": GREEDY, **asked, **fields}
    answer = system.http.post(f"/api/{verb}", json={**body, "stream": False})
    assert answer.status_code == 200, answer.text
    whole = answer.json()
    check_type(KINDS[verb], whole, EXTRAS)
    streamed = system.http.post(f"/api/{verb}", json=body)
    assert streamed.status_code == 200, streamed.text
    lines = [json.loads(line) for line in streamed.text.splitlines()]
    for line in lines:
        check_type(KINDS[verb], line, EXTRAS)
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    told = [line["message"] if verb == "chat" else line for line in lines]
    said = whole["message"] if verb == "chat" else whole
    for field in ("content", "response", "thinking"):
        assert "".join(each.get(field, "") for each in told) == said.get(field, ""), field
    calls = [call["function"] for each in told for call in each.get("tool_calls") or ()]
    assert calls == [call["function"] for call in said.get("tool_calls") or ()]
    tokens = [token for line in lines for token in line.get("logprobs") or ()]
    assert [each["token"] for each in tokens] == [each["token"] for each in whole.get("logprobs") or ()]
    if "logprobs" in fields:
        spoken = bytes(byte for each in tokens for byte in each["bytes"]).decode()
        assert spoken == (said.get("content") or said["response"])
    assert all(len(each["top_logprobs"]) == fields.get("top_logprobs", 0) for each in tokens)
    for field in ("model", "done_reason", "prompt_eval_count", "eval_count"):
        assert lines[-1].get(field) == whole.get(field), field


def test_models_vectors_and_downloads(system: System) -> None:
    http = system.http
    check_type(ollama.ListResponse, http.get("/api/tags").json(), EXTRAS)
    running = http.get("/api/ps").json()
    assert running["models"]
    check_type(ollama.ProcessResponse, running)
    check_type(ollama.ShowResponse, http.post("/api/show", json={"model": "tiny-chat"}).json())
    vectors = http.post("/api/embed", json={"model": MINILM, "input": ["a", "b"]}).json()
    check_type(ollama.EmbedResponse, vectors)
    assert len(vectors["embeddings"]) == 2
    one = http.post("/api/embeddings", json={"model": MINILM, "prompt": "a"}).json()
    check_type(ollama.EmbeddingsResponse, one)
    assert one["embedding"] == pytest.approx(vectors["embeddings"][0], abs=1e-3)
    for line in http.post("/api/pull", json={"model": "tiny-chat"}).text.splitlines():
        check_type(ollama.ProgressResponse, json.loads(line))
