"""A conversation that is made short, and goes on from the summary."""

import httpx

from tests.api.responses.requests import FUNCTION, PATH, asked, post
from tests.support.openai_shape import check_shape
from tests.support.scripted_worker import ScriptedWorker


def test_a_summary_takes_the_place_of_what_was_said(http: httpx.Client, worker: ScriptedWorker) -> None:
    first = post(http, "My name is Ann.")
    worker.play(lambda run: run.complete("The user is Ann."))
    answer = http.post(
        f"{PATH}/compact", json=asked("I live in Ulm.", previous_response_id=first["id"], tools=[FUNCTION])
    )
    assert answer.status_code == 200, answer.text
    check_shape("CompactResource", answer.json())
    payload = worker.runs[-1].payload
    assert [message["content"] for message in payload["messages"][:3]] == [
        "My name is Ann.",
        "My name is Ann.",
        "I live in Ulm.",
    ]
    assert "tools" not in payload
    output = answer.json()["output"]
    assert "Ann" not in output[0]["encrypted_content"]
    post(http, [*output, {"role": "user", "content": "Who am I?"}])
    told, asks = worker.runs[-1].payload["messages"]
    assert "The user is Ann." in told["content"]
    assert asks == {"role": "user", "content": "Who am I?"}
    assert http.get(f"{PATH}/{answer.json()['id']}").status_code == 404


def test_a_summary_of_another_server_is_told_to_be_unread(http: httpx.Client, worker: ScriptedWorker) -> None:
    item = {"type": "compaction", "encrypted_content": "gAAAAA"}
    answer = http.post(PATH, json=asked([item, {"role": "user", "content": "Hi"}]))
    assert answer.status_code == 200
    assert "compaction" in answer.headers["warning"]


def test_nothing_can_not_be_made_short(http: httpx.Client) -> None:
    answer = http.post(f"{PATH}/compact", json={"model": "tiny"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input")
