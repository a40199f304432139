"""`/v1/batches` with a scripted worker: input, outcomes, cancelling, expiry, and what a batch leaves to others."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import redis

from config.settings import Settings
from jobs import keys
from jobs.errors import EngineFailure, QueueFull
from jobs.kinds import Category
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.support import jobs
from tests.support.api_server import ApiServer
from tests.support.batches import CHAT, chats, ended, jsonl, line, rows, start, texts, until
from tests.support.openai_shape import check_shape
from tests.support.scripted_worker import Run, ScriptedWorker, echo


@pytest.fixture
def settings(make_settings: MakeSettings, tmp_path: Path) -> Settings:
    return make_settings(
        data_dir=tmp_path / "data", queue_limit=8, max_batch_requests=1000, max_batches=3, max_body_mb=1
    )


@pytest.fixture
def api(settings: Settings) -> Iterator[ApiServer]:
    with ApiServer(settings) as server:
        yield server


def waiting(connection: redis.Redis) -> int:
    return len(jobs.waiting(connection, Category.LLM))


def jobs_left(connection: redis.Redis) -> int:
    return len(list(connection.scan_iter("rq:job:*"))) + int(connection.zcard(keys.JOBS))


def test_each_request_has_its_answer_once(
    sdk: openai.OpenAI, http: httpx.Client, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    began = start(sdk, chats(150), metadata={"night": "1"})
    assert (began.object, began.endpoint, began.metadata) == ("batch", CHAT, {"night": "1"})
    assert began.status in ("validating", "in_progress")
    batch = ended(sdk, began)
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert batch.request_counts.model_dump() == {"total": 150, "completed": 150, "failed": 0}
    assert batch.error_file_id is None
    order = (batch.created_at, batch.in_progress_at, batch.finalizing_at, batch.completed_at)
    assert None not in order
    assert list(order) == sorted(order)  # type: ignore[type-var]
    assert batch.usage is not None
    assert (batch.usage.input_tokens, batch.usage.output_tokens, batch.usage.total_tokens) == (
        1050,
        450,
        1500,
    )
    answers = rows(sdk, batch.output_file_id)
    assert texts(answers) == {f"say-{number}": f"Number {number}" for number in range(150)}
    for row in answers[:3]:
        assert row.keys() == {"id", "custom_id", "response", "error"}
        assert (row["error"], row["response"]["status_code"]) == (None, 200)
        assert row["response"]["request_id"] == row["response"]["body"]["id"]
        check_shape("CreateChatCompletionResponse", row["response"]["body"])
    assert len({row["id"] for row in answers}) == 150
    check_shape("Batch", http.get(f"/v1/batches/{batch.id}").json())
    file = sdk.files.retrieve(batch.output_file_id or "")
    assert (file.purpose, file.bytes) == ("batch_output", len(sdk.files.content(file.id).content))
    # The answers are in the file, and nowhere else.
    assert jobs_left(clean_redis) == 0


def test_a_few_requests_wait_and_leave_room_for_others(
    sdk: openai.OpenAI, http: httpx.Client, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    worker.pause()
    batch = start(sdk, chats(100))
    until(sdk, batch, lambda _: waiting(clean_redis) == 4)
    others = [http.post(CHAT, json=chat("Hello", background=True)).status_code for _ in range(4)]
    assert others == [202] * 4
    assert len(list(clean_redis.scan_iter("rq:job:*"))) == 8
    worker.resume()
    assert len(rows(sdk, ended(sdk, batch).output_file_id)) == 100


def test_what_is_refused_or_fails_is_in_the_error_file(sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.fail(EngineFailure("It broke.")))
    good = chat("Hello")
    bad: list[tuple[dict[str, Any], int, str | None]] = [
        ({**good, "temperature": 9}, 400, "temperature"),
        ({**good, "model": "nobody"}, 404, "model"),
        ({"model": "tiny"}, 400, "messages"),
        ({**good, "stream": True}, 400, "stream"),
        (
            {**good, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": 5}]}]},
            400,
            None,
        ),
    ]
    lines = [line("broken", good), *(line(f"bad-{n}", body) for n, (body, *_) in enumerate(bad))]
    batch = ended(sdk, start(sdk, [*lines, line("good", good)]))
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert batch.request_counts.model_dump() == {"total": 7, "completed": 1, "failed": 6}
    assert texts(rows(sdk, batch.output_file_id)) == {"good": "Hello"}
    errors = {row["custom_id"]: row for row in rows(sdk, batch.error_file_id)}
    assert len(errors) == 6
    assert errors["broken"]["response"]["status_code"] == 500
    assert errors["broken"]["response"]["body"]["error"]["message"] == "It broke."
    for number, (_, status, param) in enumerate(bad):
        row = errors[f"bad-{number}"]
        assert (row["error"], row["response"]["status_code"]) == (None, status)
        check_shape("ErrorResponse", row["response"]["body"])
        assert param is None or row["response"]["body"]["error"]["param"] == param


GOOD = json.dumps(line("a", chat()))


#: Inputs, and what is wrong with them: code, line and field.
WRONG: list[tuple[list[object], list[tuple[str, int | None, str | None]]]] = [
    ([], [("empty_file", None, "input_file_id")]),
    (["", "  "], [("empty_file", None, "input_file_id")]),
    ([GOOD, "{", "", "[1]"], [("invalid_json_line", 2, None), ("invalid_json_line", 4, None)]),
    # Nested too deeply to be read.
    ([GOOD, GOOD[:-2] + ', "x": ' + "[" * 100_000 + "]" * 100_000 + "}}"], [("invalid_json_line", 2, None)]),
    ([GOOD, GOOD], [("duplicate_custom_id", 2, "custom_id")]),
    ([line("", chat())], [("invalid_custom_id", 1, "custom_id")]),
    ([line("a", chat(), url="/v1/completions")], [("invalid_url", 1, "url")]),
    ([line("a", chat(), method="GET")], [("invalid_method", 1, "method")]),
    ([{"custom_id": "a", "method": "POST", "url": CHAT}], [("missing_required_parameter", 1, "body")]),
    ([{"method": "POST", "url": CHAT, "body": {}}], [("missing_required_parameter", 1, "custom_id")]),
    ([{**line("a", {}), "body": []}], [("invalid_type", 1, "body")]),
    ([line("a", chat("x" * (1 << 20)))], [("request_too_large", 1, None)]),
    ([*chats(1001)], [("too_many_requests", None, "input_file_id")]),
]


def test_a_wrong_input_is_told_by_its_lines(
    sdk: openai.OpenAI, http: httpx.Client, worker: ScriptedWorker
) -> None:
    for lines, problems in WRONG:
        batch = ended(sdk, start(sdk, lines))
        assert (batch.status, batch.failed_at is None, batch.output_file_id) == ("failed", False, None)
        assert batch.errors is not None
        assert [(each.code, each.line, each.param) for each in batch.errors.data or ()] == problems
        check_shape("Batch", http.get(f"/v1/batches/{batch.id}").json())
    assert worker.runs == []


#: Changes of a request for a batch, and what is told.
REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"input_file_id": "file-nope"}, 404, "input_file_id"),
    ({"endpoint": "/v1/messages"}, 400, "endpoint"),
    ({"endpoint": "/v1/moderations"}, 400, "endpoint"),
    ({"completion_window": "soon"}, 400, "completion_window"),
    ({"completion_window": "99d"}, 400, "completion_window"),
    ({"completion_window": None}, 400, "completion_window"),
    ({"metadata": {"a": "b" * 513}}, 400, "metadata.a"),
    ({"metadata": {str(n): "" for n in range(17)}}, 400, "metadata"),
    ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, 400, "output_expires_after.seconds"),
]


def test_wrong_batches_are_refused(sdk: openai.OpenAI, http: httpx.Client) -> None:
    file = sdk.files.create(file=("a", jsonl(chats(1))), purpose="batch")
    body = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h"}
    for change, status, param in REFUSED:
        answer = http.post("/v1/batches", json={**body, **change})
        assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    assert http.get("/v1/batches").json()["data"] == []


def test_a_file_for_something_else_is_no_input(sdk: openai.OpenAI) -> None:
    file = sdk.files.create(file=("a", jsonl(chats(1))), purpose="user_data")
    with pytest.raises(openai.BadRequestError, match="purpose"):
        sdk.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")  # type: ignore[arg-type]


def test_a_cancelled_batch_keeps_what_it_has(
    sdk: openai.OpenAI, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    batch = start(sdk, chats(300))
    until(sdk, batch, lambda now: now.output_file_id)
    worker.pause()
    cancelling = sdk.batches.cancel(batch.id)
    assert (cancelling.status, cancelling.cancelling_at is None) == ("cancelling", False)
    batch = ended(sdk, batch)
    assert (batch.status, batch.cancelled_at is None) == ("cancelled", False)
    answers, errors = rows(sdk, batch.output_file_id), rows(sdk, batch.error_file_id)
    assert batch.request_counts is not None
    assert batch.request_counts.completed == len(answers) > 0
    assert {row["error"]["code"] for row in errors} == {"batch_cancelled"}
    assert {row["custom_id"] for row in answers + errors} == {f"say-{n}" for n in range(300)}
    assert len(answers) + len(errors) == 300
    assert (waiting(clean_redis), jobs_left(clean_redis)) == (0, 0)
    with pytest.raises(openai.APIStatusError) as refused:
        sdk.batches.cancel(ended(sdk, start(sdk, [GOOD[:-1]])).id)
    assert refused.value.status_code == 409


def test_what_is_not_answered_in_time_expires(
    sdk: openai.OpenAI, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch, clean_redis: redis.Redis
) -> None:
    worker.pause()
    batch = start(sdk, chats(50), output_expires_after={"anchor": "created_at", "seconds": 3600})
    until(sdk, batch, lambda _: waiting(clean_redis) == 4)
    late = time.time() + 86_401
    monkeypatch.setattr("jobs.redis.clock.SharedClock.now", lambda _: late)
    batch = ended(sdk, batch)
    monkeypatch.undo()
    assert (batch.status, batch.expired_at is None, batch.output_file_id) == ("expired", False, None)
    errors = rows(sdk, batch.error_file_id)
    assert [row["error"]["code"] for row in errors] == ["batch_expired"] * 50
    assert errors[0]["response"] is None
    assert waiting(clean_redis) == 0
    file = sdk.files.retrieve(batch.error_file_id or "")
    assert file.expires_at == file.created_at + 3600


def _displaced(run: Run) -> None:
    run.fail(QueueFull("It gave its place to another job."))


def test_a_request_that_gave_its_place_comes_again(sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    worker.play(_displaced, _displaced)
    batch = ended(sdk, start(sdk, chats(5)))
    assert len(texts(rows(sdk, batch.output_file_id))) == 5
    assert len(worker.runs) == 7


def test_answers_can_be_read_as_they_come(sdk: openai.OpenAI, worker: ScriptedWorker) -> None:
    go = threading.Event()

    def hold(run: Run) -> None:
        assert go.wait(60)
        echo(run)

    worker.play(*200 * [echo], *50 * [hold])
    batch = start(sdk, chats(250))
    now = until(sdk, batch, lambda now: now.output_file_id)
    assert now.status == "in_progress"
    some = rows(sdk, now.output_file_id)
    assert 0 < len(texts(some)) < 250
    with pytest.raises(openai.APIStatusError, match="still writes"):
        sdk.files.delete(now.output_file_id or "")
    # The batch has its own hold of the input.
    sdk.files.delete(batch.input_file_id)
    go.set()
    whole = rows(sdk, ended(sdk, batch).output_file_id)
    assert whole[: len(some)] == some
    assert len(texts(whole)) == 250


def test_batches_are_listed_by_pages_and_bounded(
    sdk: openai.OpenAI, http: httpx.Client, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    worker.pause()
    ids = [start(sdk, chats(5)).id for _ in range(3)]
    with pytest.raises(openai.RateLimitError, match="MAX_BATCHES"):
        start(sdk, chats(1))
    assert [batch.id for batch in sdk.batches.list(limit=2)] == ids[::-1]
    page = http.get("/v1/batches", params={"limit": 2}).json()
    check_shape("ListBatchesResponse", page)
    assert (page["first_id"], page["last_id"], page["has_more"]) == (ids[2], ids[1], True)
    assert http.get("/v1/batches", params={"after": "batch_nope"}).status_code == 400
    worker.resume()
    for batch_id in ids:
        ended(sdk, sdk.batches.retrieve(batch_id))
    assert clean_redis.zcard(keys.OPEN_BATCHES) == 0


def test_another_process_goes_on(settings: Settings, worker: ScriptedWorker) -> None:
    with ApiServer(settings) as second:
        with ApiServer(settings) as first, openai.OpenAI(base_url=f"{first.url}/v1", api_key="any") as sdk:
            batch = start(sdk, chats(200))
            until(sdk, batch, lambda now: now.output_file_id)
        with openai.OpenAI(base_url=f"{second.url}/v1", api_key="any") as sdk:
            batch = ended(sdk, batch)
            assert len(texts(rows(sdk, batch.output_file_id))) == 200


def test_a_key_sees_its_own_batches(
    make_settings: MakeSettings, worker: ScriptedWorker, tmp_path: Path
) -> None:
    settings = make_settings(api_keys="ann,bob", data_dir=tmp_path / "data")
    with ApiServer(settings) as api:
        ann, bob = (
            openai.OpenAI(base_url=f"{api.url}/v1", api_key=key, max_retries=0) for key in ("ann", "bob")
        )
        batch = ended(ann, start(ann, chats(3)))
        for verb in (bob.batches.retrieve, bob.batches.cancel):
            with pytest.raises(openai.NotFoundError):
                verb(batch.id)
        with pytest.raises(openai.NotFoundError):
            bob.files.content(batch.output_file_id or "")
        assert len(rows(ann, batch.output_file_id)) == 3
        assert [run.claim.app for run in worker.runs] == ["OpenAI"] * 3
        for each in (ann, bob):
            each.close()
