"""Stored responses: streams read again, conversations that go on, background, cancel, delete, input items."""

import threading
from typing import Any

import httpx
import openai
import pytest
import redis

from jobs import keys
from tests.api.conftest import MakeSettings
from tests.api.responses.requests import CUSTOM, FUNCTION, PATH, asked, event, frames, post, stream
from tests.support.api_server import ApiServer
from tests.support.openai_shape import check_events, check_shape
from tests.support.scripted_worker import Run, ScriptedWorker
from tests.support.waits import wait_for

PNG = "data:image/png;base64,aGVsbG8="


def rich(run: Run) -> None:
    """Thoughts, text, a call of a function and one of a custom tool; then it is given back, and made again."""
    parts: list[dict[str, Any]] = [
        {"text": "Let me ", "field": "reasoning"},
        {"text": "see.", "field": "reasoning"},
        {"text": "It is "},
        {"text": "so."},
        {"field": "tool_call", "call": {"index": 0, "id": "c0", "name": "get_weather"}},
        {"text": '{"city":', "field": "tool_call", "call": {"index": 0}},
        {"text": '"Ulm"}', "field": "tool_call", "call": {"index": 0}},
        {"field": "tool_call", "call": {"index": 1, "id": "c1", "name": "run"}},
        {"text": '{"input":"a', "field": "tool_call", "call": {"index": 1}},
        {"text": '\\nb"}', "field": "tool_call", "call": {"index": 1}},
    ]
    for part in parts[: 4 if run.claim.attempt == 1 else None]:
        run.tell(**part)
    if run.claim.attempt == 1:
        run.requeue()
        return
    calls = [
        {"id": "c0", "name": "get_weather", "arguments": '{"city":"Ulm"}'},
        {"id": "c1", "name": "run", "arguments": '{"input":"a\\nb"}'},
    ]
    run.answer(
        {"text": "It is so.", "reasoning": "Let me see.", "tool_calls": calls, "finish_reason": "tool_calls"}
    )


def again(http: httpx.Client, response_id: str, after: int | None = None) -> list[str]:
    params = {"stream": "true"} | ({} if after is None else {"starting_after": str(after)})
    answer = http.get(f"{PATH}/{response_id}", params=params)
    assert answer.status_code == 200, answer.text
    return frames(answer.text)


@pytest.mark.parametrize("background", [False, True])
def test_a_stream_that_is_resumed_at_any_event_is_the_same(
    http: httpx.Client, worker: ScriptedWorker, background: bool
) -> None:
    worker.play(rich, rich)
    body = asked(stream=True, tools=[FUNCTION, CUSTOM], background=background)
    whole = frames(http.post(PATH, json=body).text)
    check_events([event(frame) for frame in whole])
    response_id = event(whole[0])["response"]["id"]
    assert [event(frame)["sequence_number"] for frame in whole] == list(range(len(whole)))
    assert again(http, response_id) == whole
    for number in range(len(whole)):
        assert again(http, response_id, number) == whole[number + 1 :]
    assert again(http, response_id, len(whole) + 5) == []
    assert http.get(f"{PATH}/{response_id}").json() == event(whole[-1])["response"]


@pytest.mark.parametrize("ending", ["failed", "cancelled"])
def test_so_is_one_that_did_not_end_well(http: httpx.Client, worker: ScriptedWorker, ending: str) -> None:
    started = threading.Event()

    def play(run: Run) -> None:
        run.say("So far")
        started.set()
        if ending == "failed":
            from jobs.errors import EngineFailure

            run.fail(EngineFailure("It broke."))
        else:
            assert run.until_cancelled()
            run.cancelled()

    worker.play(play)
    response_id = post(http, stream=False, background=True)["id"]
    if ending == "cancelled":
        assert started.wait(60)
        assert http.post(f"{PATH}/{response_id}/cancel").json()["status"] == "cancelled"
    whole = again(http, response_id)
    check_events([event(frame) for frame in whole])
    last = event(whole[-1])
    assert (last["type"], last["response"]["status"]) == ("response.failed", ending)
    for number in range(len(whole)):
        assert again(http, response_id, number) == whole[number + 1 :]
    stored = http.get(f"{PATH}/{response_id}").json()
    check_shape("Response", stored)
    assert stored["status"] == ending


def test_a_client_joins_a_stream_that_goes_on(http: httpx.Client, worker: ScriptedWorker) -> None:
    go = threading.Event()

    def play(run: Run) -> None:
        run.say("one ")
        assert go.wait(60)
        run.say("two")
        run.complete("one two")

    worker.play(play)
    with http.stream("POST", PATH, json=asked(stream=True, background=True)) as first:
        head = ""
        for chunk in first.iter_text():
            head += chunk
            if "one " in head:
                break
    # The first client has left; the response goes on.
    seen = [event(frame) for frame in frames(head.rpartition("\n\n")[0])]
    response_id = seen[0]["response"]["id"]
    params = {"stream": "true", "starting_after": str(seen[-1]["sequence_number"])}
    with http.stream("GET", f"{PATH}/{response_id}", params=params) as second:
        go.set()
        rest = [event(frame) for frame in frames(second.read().decode())]
    numbers = [each["sequence_number"] for each in seen + rest]
    assert numbers == list(range(len(numbers)))
    text = "".join(each.get("delta", "") for each in seen + rest)
    assert text == "one two"
    assert [each["type"] for each in seen[:3]] == [
        "response.created",
        "response.queued",
        "response.in_progress",
    ]


def test_events_that_are_gone_are_no_gap(
    http: httpx.Client, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    response_id = stream(http)[0]["response"]["id"]
    clean_redis.delete(keys.events(response_id))
    answer = http.get(f"{PATH}/{response_id}", params={"stream": "true", "starting_after": "3"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == "starting_after"
    assert event(again(http, response_id)[-1])["type"] == "response.completed"
    assert http.get(f"{PATH}/{response_id}").json()["status"] == "completed"


def test_a_background_response_is_polled(http: httpx.Client, worker: ScriptedWorker) -> None:
    go = threading.Event()

    def play(run: Run) -> None:
        assert go.wait(60)
        run.complete("Done.")

    worker.play(play)
    found = post(http, background=True, instructions="Be brief.")
    check_shape("Response", found)
    assert (found["status"], found["background"], found["output"]) == ("queued", True, [])
    worker.claimed.acquire(timeout=60)
    assert http.get(f"{PATH}/{found['id']}").json()["status"] == "in_progress"
    go.set()
    assert http.get(f"/v1/jobs/{found['id']}", params={"wait": 10}).json()["status"] == "completed"
    done = http.get(f"{PATH}/{found['id']}").json()
    check_shape("Response", done)
    assert done["output"][0]["content"][0]["text"] == "Done."
    assert http.post(f"{PATH}/{found['id']}/cancel").json() == done


def test_a_conversation_goes_on_also_after_a_restart(
    make_settings: MakeSettings, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    """Each turn is asked of another API process."""
    ids: list[str] = []

    def turn(said: Any, **fields: Any) -> dict[str, Any]:
        with ApiServer(make_settings()) as api, httpx.Client(base_url=api.url) as http:
            if ids:
                fields["previous_response_id"] = ids[-1]
            found = post(http, said, **fields)
            ids.append(found["id"])
            return found

    def thinks(run: Run) -> None:
        run.answer({"text": "Ulm.", "reasoning": "Hm."})

    worker.play(thinks)
    turn("Where?", instructions="Only for now.")
    assert turn([{"role": "user", "content": "Why?"}, {"role": "user", "content": "Really?"}])
    clean_redis.expire(keys.job(ids[0]), 200)
    turn("x" * 5_000)
    turn("End")
    assert worker.runs[-1].payload["messages"] == [
        {"role": "user", "content": "Where?"},
        {"role": "assistant", "content": "Ulm.", "reasoning_content": "Hm."},
        {"role": "user", "content": "Why?"},
        {"role": "user", "content": "Really?"},
        {"role": "assistant", "content": "Really?"},
        {"role": "user", "content": "x" * 5_000},
        {"role": "assistant", "content": "x" * 5_000},
        {"role": "user", "content": "End"},
    ]
    # All turns are kept as long as the last one.
    assert int(clean_redis.ttl(keys.job(ids[0]))) > 500


def test_items_are_referred_to(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.answer({"text": "Ulm.", "reasoning": "Hm."}))
    first = post(http, "Where?")
    listed = http.get(f"{PATH}/{first['id']}/input_items").json()["data"]
    references = [{"type": "item_reference", "id": listed[0]["id"]}]
    references += [{"id": item["id"]} for item in first["output"]]
    post(http, [*references, {"role": "user", "content": "Why?"}])
    assert worker.runs[-1].payload["messages"] == [
        {"role": "user", "content": "Where?"},
        {"role": "assistant", "content": "Ulm.", "reasoning_content": "Hm."},
        {"role": "user", "content": "Why?"},
    ]
    for name in ("msg_" + "0" * 24 + "00", "rs_1", first["output"][0]["id"][:-1] + "9"):
        answer = http.post(PATH, json=asked([{"type": "item_reference", "id": name}]))
        assert (answer.status_code, answer.json()["error"]["param"]) == (404, "input"), name


def test_what_was_not_stored_is_not_there(http: httpx.Client, worker: ScriptedWorker) -> None:
    found = post(http, store=False)
    missing = "resp_" + "0" * 24
    chat = http.post(
        "/v1/chat/completions", json={"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}
    ).json()["id"]
    for name in (found["id"], missing, chat, "x"):
        for method, path in (
            ("GET", ""),
            ("GET", "?stream=true"),
            ("DELETE", ""),
            ("POST", "/cancel"),
            ("GET", "/input_items"),
        ):
            answer = http.request(method, f"{PATH}/{name}{path}")
            assert answer.status_code == 404, (method, path, answer.text)
            check_shape("ErrorResponse", answer.json())
        answer = http.post(PATH, json=asked(previous_response_id=name))
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "previous_response_not_found"


def test_only_an_answered_response_goes_on(http: httpx.Client, worker: ScriptedWorker) -> None:
    go = threading.Event()

    def play(run: Run) -> None:
        assert go.wait(60)
        run.complete("Done.")

    worker.play(play)
    waiting = post(http, background=True)["id"]
    answer = http.post(PATH, json=asked(previous_response_id=waiting))
    go.set()
    assert answer.status_code == 400
    assert "has no answer" in answer.json()["error"]["message"]


def test_another_key_sees_nothing_of_it(make_settings: MakeSettings, worker: ScriptedWorker) -> None:
    with ApiServer(make_settings(api_keys="one,two")) as api:
        mine = {"authorization": "Bearer one"}
        with httpx.Client(base_url=api.url, headers=mine) as http:
            found = post(http, "Secret")
        with httpx.Client(base_url=api.url, headers={"authorization": "Bearer two"}) as http:
            assert http.get(f"{PATH}/{found['id']}").status_code == 404
            assert http.post(PATH, json=asked(previous_response_id=found["id"])).status_code == 400
            reference = [{"type": "item_reference", "id": found["output"][0]["id"]}]
            assert http.post(PATH, json=asked(reference)).status_code == 404


def test_a_response_is_deleted(http: httpx.Client, worker: ScriptedWorker) -> None:
    running = threading.Event()

    def play(run: Run) -> None:
        running.set()
        assert run.until_cancelled()
        run.cancelled()

    done = post(http)["id"]
    worker.play(play)
    live = post(http, background=True)["id"]
    assert running.wait(60)
    waiting = post(http, background=True)["id"]
    for each in (done, waiting, live):
        answer = http.delete(f"{PATH}/{each}")
        assert answer.json() == {"id": each, "object": "response", "deleted": True}
        assert http.get(f"{PATH}/{each}").status_code == 404
        assert http.get(f"/v1/jobs/{each}").status_code == 404


def test_input_items_come_in_pages(http: httpx.Client, worker: ScriptedWorker) -> None:
    items: list[dict[str, Any]] = [{"role": "user", "content": f"{number}"} for number in range(5)]
    items += [
        {
            "role": "assistant",
            "id": "msg_own",
            "content": [{"type": "output_text", "text": "x"}],
            "type": "message",
        },
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "1"},
        {"role": "user", "content": [{"type": "input_image", "image_url": PNG, "detail": "auto"}]},
    ]
    found = post(http, items)
    path = f"{PATH}/{found['id']}/input_items"
    whole = http.get(path, params={"order": "asc", "limit": 100}).json()
    check_shape("ResponseItemList", whole)
    ids = [item["id"] for item in whole["data"]]
    assert (len(set(ids)), ids[5], whole["has_more"]) == (9, "msg_own", False)
    seen: list[str] = []
    page: dict[str, Any] = {"has_more": True}
    while page["has_more"]:
        after = {"after": seen[-1]} if seen else {}
        page = http.get(path, params={"limit": "4", **after}).json()
        seen += [item["id"] for item in page["data"]]
        assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], seen[-1])
    assert seen == ids[::-1]
    for params in ({"after": "nobody"}, {"limit": "0"}, {"limit": "101"}, {"order": "up"}):
        assert http.get(path, params=params).status_code == 400


def test_the_sdk_polls_resumes_and_goes_on(sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    events = list(sdk.responses.create(model="tiny", input="one two three", stream=True, background=True))
    response_id = events[0].response.id  # type: ignore[union-attr]
    rest = list(sdk.responses.retrieve(response_id, stream=True, starting_after=events[4].sequence_number))
    assert rest == events[5:]
    first = sdk.responses.retrieve(response_id)
    assert first.output_text == "one two three"
    second = sdk.responses.create(model="tiny", input="four", previous_response_id=first.id)
    assert (second.output_text, second.previous_response_id) == ("four", first.id)
    assert len(worker.runs[-1].payload["messages"]) == 3
    with sdk.responses.stream(model="tiny", input="five") as helper:
        told = "".join(each.delta for each in helper if each.type == "response.output_text.delta")
        assert told == helper.get_final_response().output_text == "five"
    with sdk.responses.stream(response_id=response_id, starting_after=events[4].sequence_number) as resumed:
        assert [each.sequence_number for each in resumed] == [each.sequence_number for each in rest]
    assert [item.id for item in sdk.responses.input_items.list(first.id)]
    sdk.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        sdk.responses.retrieve(first.id)


def test_a_request_that_comes_again_has_its_own_answer(
    http: httpx.Client, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    """A response whose client has left is found again by the same request, and by no other of the same prompt."""
    go, begun = threading.Event(), threading.Event()

    def play(run: Run) -> None:
        run.say("one ")
        begun.set()
        go.wait(60)
        run.complete("one two")

    worker.play(play)
    with http.stream("POST", PATH, json=asked(stream=True, metadata={"a": "1"})) as first:
        head = next(chunk for chunk in first.iter_text() if "resp_" in chunk)
    assert begun.wait(60)
    left = event(head.split("\n\n")[0])["response"]["id"]
    other = http.post(PATH, json=asked(metadata={"a": "2"}, background=True)).json()
    assert (other["id"] != left, other["metadata"]) == (True, {"a": "2"})
    wait_for(lambda: clean_redis.hget(keys.job(left), "mlxq_left"))
    go.set()
    again = post(http, metadata={"a": "1"})
    assert (again["id"], again["metadata"]) == (left, {"a": "1"})
