"""Whatever fits our own description of the API, and much that does not: no answer is a server's error."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from tests.support.api_server import ApiServer
from tests.support.scripted_worker import ScriptedWorker

#: Fields that are refused without others, or that name what is not there.
_SPECIAL = ("adapters", "audio", "draft_model", "functions", "function_call", "modalities", "tool_choice")
#: The same inputs each time; how long one takes says nothing.
_STEADY = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
@pytest.mark.parametrize("fitting", [True, False], ids=["what fits", "what does not"])
def test_no_input_makes_a_servers_error(api: ApiServer, worker: ScriptedWorker, fitting: bool) -> None:
    worker.announce(model="tiny", state="loaded")
    description = schemathesis.openapi.from_url(f"{api.url}/openapi.json")
    mode = schemathesis.GenerationMode.POSITIVE if fitting else schemathesis.GenerationMode.NEGATIVE
    tried = set()

    def send(case: "schemathesis.Case[Any]") -> None:
        body: Any = case.body
        if isinstance(body, dict) and isinstance(body.get("model"), str):
            body["model"] = "tiny"
            if fitting:
                _make_it_plain(body)
        if "name" in case.path_parameters:
            case.path_parameters["name"] = "tiny"
        answer = case.call(timeout=20)
        assert answer.status_code < 500, (body, answer.text)
        tried.add((case.path, answer.status_code))

    for found in description.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        if not fitting and not operation.body:
            continue
        _STEADY(given(case=operation.as_strategy(generation_mode=mode))(send))()
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/models/{name}/generate"):
        assert (path, 200 if fitting else 400) in tried


def _make_it_plain(body: dict[str, Any]) -> None:
    """Take away what fits the description and is refused all the same, else hardly a request would be served."""
    for name in _SPECIAL:
        body.pop(name, None)
    for message in body.get("messages", ()):
        message["content"] = message.get("content") or "Hello"
