"""A line of Claude Code's system prompt that changes with every request does not reach the model; all else does."""

from typing import Any

import httpx
import pytest

from tests.api.requests import chat
from tests.support.scripted_worker import ScriptedWorker

BILLING = (
    "x-anthropic-billing-header: cc_version=2.1.332.7b4; cc_entrypoint=cli; cch=eb6c6; cc_workload=cron;"
)
USER = {"role": "user", "content": "Hello."}


def asked(http: httpx.Client, worker: ScriptedWorker, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """What the model is asked."""
    answer = http.post("/v1/chat/completions", json=chat(messages=list(messages)))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = worker.runs[-1].payload["messages"]
    return found


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_the_line_at_the_beginning_of_the_system_prompt_is_left_out(
    http: httpx.Client, worker: ScriptedWorker, end: str
) -> None:
    system = {"role": "system", "content": f"{BILLING}{end}You are an agent."}
    assert asked(http, worker, system, USER) == [{"role": "system", "content": "You are an agent."}, USER]


def test_a_block_and_a_message_of_its_own_are_left_out(http: httpx.Client, worker: ScriptedWorker) -> None:
    block, rest = {"type": "text", "text": BILLING}, {"type": "text", "text": "You are an agent."}
    plain = [{"role": "system", "content": "You are an agent."}, USER]
    assert asked(http, worker, {"role": "system", "content": [block, rest]}, USER) == plain
    assert asked(http, worker, {"role": "developer", "content": BILLING}, *plain) == plain


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": BILLING}],
        [USER, {"role": "system", "content": BILLING}, USER],
        [{"role": "system", "content": f"Explain this: {BILLING}"}, USER],
        [{"role": "system", "content": "x-anthropic-billing-header: who pays; tell me"}, USER],
        [{"role": "system", "content": "x-anthropic-billing-header: version=1;"}, USER],
    ],
)
def test_all_else_is_the_callers_own_text(
    http: httpx.Client, worker: ScriptedWorker, messages: list[dict[str, Any]]
) -> None:
    assert asked(http, worker, *messages) == messages


def test_a_retry_with_another_line_is_the_same_request(http: httpx.Client, worker: ScriptedWorker) -> None:
    def send(cch: str, **headers: str) -> httpx.Response:
        system = {"role": "system", "content": BILLING.replace("eb6c6", cch)}
        return http.post("/v1/chat/completions", json=chat(messages=[system, USER]), headers=headers)

    first = send("eb6c6", **{"x-stainless-retry-count": "0"})
    again = send("0aaa9", **{"x-stainless-retry-count": "1"})
    assert again.headers["x-request-id"] == first.headers["x-request-id"]
    assert len(worker.runs) == 1
