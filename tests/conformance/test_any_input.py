"""Whatever fits our own description of the API, and much that does not, with real models: never a server's error.

Every route is tried but the two that end the server, which is what they are for, and the one that never ends. Of a
body a model that is there is set, as else nearly all would end at its name, a small bound of what is generated, and
every other time a content that a model can read, so that all the rest reaches it too.
"""

import base64
from collections import defaultdict
from itertools import count
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from tests.support.images import encoded, picture
from tests.support.minilm import NAME as MINILM
from tests.support.system import System

#: The same inputs each time; how long one takes says nothing.
_STEADY = settings(
    max_examples=4, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
_PICTURES = ("/v1/images/generations", "/v1/images/edits", "/v1/images/variations")
_MODELS = {"/v1/embeddings": MINILM, **dict.fromkeys(_PICTURES, "tiny-image")}
PNG = encoded(picture(1, 20, 20))
_READABLE: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hello 🦊"}]},
    "/v1/responses": {
        "input": "Hello 🦊",
        "conversation": None,
        "prompt": None,
        "previous_response_id": None,
    },
    "/v1/completions": {"prompt": ["Hello", "🦊"]},
    "/v1/embeddings": {"input": ["Hello", "🦊"]},
    "/v1/images/generations": {"prompt": "Hello 🦊", "image": None, "strength": None, "loras": None},
}
_ENDINGS = {"/v1/system/restart", "/v1/system/shutdown"}
#: Its answers have no end: tests/api has their beginnings.
_ENDLESS = {"/v1/events"}
_PAUSE = "/v1/queue/pause"
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


@pytest.mark.slow
@pytest.mark.parametrize("fitting", [True, False], ids=["what fits", "what does not"])
def test_no_input_makes_a_servers_error(system: System, fitting: bool) -> None:
    description = schemathesis.openapi.from_url(f"{system.url}/openapi.json", timeout=60)
    mode = schemathesis.GenerationMode.POSITIVE if fitting else schemathesis.GenerationMode.NEGATIVE
    answers: defaultdict[str, set[int]] = defaultdict(set)
    turns = count()

    def send(case: "schemathesis.Case[Any]") -> None:
        _tame(case, readable=next(turns) % 2 == 0)
        answer = case.call(timeout=60)
        # What is not there at all says so.
        absent = answer.status_code == 501 and "200" not in case.operation.definition.raw["responses"]
        assert absent or answer.status_code < 500, (case.method, case.path, case.body, answer.text)
        answers[case.path].add(answer.status_code)

    left_out = set()
    for found in description.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        if operation.path in _ENDINGS | _ENDLESS:
            left_out.add(operation.path)
            continue
        try:
            _STEADY(given(case=operation.as_strategy(generation_mode=mode))(send))()
        except Unsatisfiable:
            # Nothing can be wrong where nothing is taken, or any name in the path.
            assert not fitting, operation.label
            assert not operation.body, operation.label
            assert not operation.query, operation.label
        if operation.path == _PAUSE:
            # All that is asked next would wait.
            assert system.http.post("/v1/queue/resume").status_code == 200
    assert left_out == _ENDINGS | _ENDLESS
    for path in _READABLE:
        assert 400 in answers[path]
        assert 200 in answers[path] or not fitting, path
    _is_well(system)


def _tame(case: "schemathesis.Case[Any]", *, readable: bool) -> None:
    if case.path == "/v1/logs":
        case.query.pop("follow", None)
    if "name" in case.path_parameters:
        case.path_parameters["name"] = "tiny-chat"
    if not isinstance(case.body, dict):
        return
    body: dict[str, Any] = case.body
    requests = body.get("requests")
    for each in requests if isinstance(requests, list) else ():
        if isinstance(each, dict) and isinstance(each.get("params"), dict):
            each["params"].update(model="tiny-chat", max_tokens=1)
    if isinstance(body.get("model"), str):
        body["model"] = _MODELS.get(case.path, "tiny-chat")
    if case.path in _PICTURES:
        _make_quick(body)
    if readable and case.path in _PICTURES[1:]:
        form = case.media_type == "multipart/form-data"
        body.update(image=PNG if form else base64.b64encode(PNG).decode(), prompt="Hello 🦊")
        for name in ("images", "loras", "mask", "strength"):
            body.pop(name, None)
    if readable:
        body.update(_READABLE.get(case.path, {}))
    for name in _LIMITS:
        if isinstance(body.get(name), int) and body[name] > 4:
            body[name] = 4
    if case.path not in _MODELS and not any(body.get(name) for name in _LIMITS):
        body["max_tokens"] = 4


def _make_quick(body: dict[str, Any]) -> None:
    """Few steps of few small pictures, where it wants pictures that can be made at all."""
    if isinstance(body.get("n"), int) and body["n"] > 2:
        body["n"] = 2
    for name in ("steps", "num_inference_steps"):
        if isinstance(body.get(name), int) and body[name] > 2:
            body[name] = 2
    if body.get("size") in (None, "auto"):
        body["size"] = "32x16"


def _is_well(system: System) -> None:
    """Both models answer as before: no poisoned request has hurt the worker."""
    with system.openai() as sdk:
        chat = sdk.chat.completions.create(
            model="tiny-chat",
            messages=[{"role": "user", "content": "What is the capital of France?"}],
            temperature=0,
        )
        assert "Paris" in (chat.choices[0].message.content or "")
        assert len(sdk.embeddings.create(model=MINILM, input="Hello").data[0].embedding) == 384
