"""`/v1/messages/batches` with Anthropic's SDK and a scripted worker."""

import json
import time
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest
import redis
from anthropic.types.messages import MessageBatch

from jobs import keys
from jobs.blobs import LocalBlobs
from jobs.errors import EngineFailure
from jobs.housekeeping import collect
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import ScriptedWorker

PATH = "/v1/messages/batches"


def asked(count: int, **fields: Any) -> list[Any]:
    return [
        {"custom_id": f"say-{number}", "params": chat(f"Number {number}", max_tokens=9, **fields)}
        for number in range(count)
    ]


def ended(claude: anthropic.Anthropic, batch: MessageBatch) -> MessageBatch:
    deadline = time.monotonic() + 60
    while (now := claude.messages.batches.retrieve(batch.id)).processing_status != "ended":
        assert time.monotonic() < deadline, now
        time.sleep(0.01)
    return now


def results(claude: anthropic.Anthropic, batch: MessageBatch) -> dict[str, Any]:
    rows = list(claude.messages.batches.results(batch.id))
    found = {row.custom_id: row.result for row in rows}
    assert len(found) == len(rows)
    return found


def test_each_message_has_its_answer_once(
    claude: anthropic.Anthropic, worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    batch = claude.messages.batches.create(requests=asked(100))
    assert (batch.type, batch.results_url, batch.ended_at) == ("message_batch", None, None)
    assert batch.id.startswith("msgbatch_")
    batch = ended(claude, batch)
    assert batch.request_counts.model_dump() == {
        **dict.fromkeys(("processing", "errored", "canceled", "expired"), 0),
        "succeeded": 100,
    }
    found = results(claude, batch)
    for number in range(100):
        result = found[f"say-{number}"]
        assert result.type == "succeeded"
        assert result.message.content[0].text == f"Number {number}"
        assert result.message.id.startswith("msg_")
        assert result.message.usage.service_tier == "batch"
    assert clean_redis.zcard(keys.JOBS) == 0


def test_what_fails_or_is_refused_is_a_result(claude: anthropic.Anthropic, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.fail(EngineFailure("It broke.")))
    sent = asked(2)
    sent[1]["params"]["temperature"] = 9
    batch = ended(claude, claude.messages.batches.create(requests=sent))
    assert (batch.request_counts.errored, batch.request_counts.succeeded) == (2, 0)
    found = results(claude, batch)
    assert found["say-0"].error.error.type == "api_error"
    assert found["say-1"].error.error.type == "invalid_request_error"
    assert "temperature" in found["say-1"].error.error.message


def test_cancel_list_and_delete(
    claude: anthropic.Anthropic,
    worker: ScriptedWorker,
    clean_redis: redis.Redis,
    http: httpx.Client,
) -> None:
    worker.pause()
    batches = [claude.messages.batches.create(requests=asked(60)) for _ in range(3)]
    ids = [batch.id for batch in batches]
    assert [each.id for each in claude.messages.batches.list(limit=2)] == ids[::-1]
    newer = claude.messages.batches.list(limit=1, before_id=ids[0])
    assert [each.id for each in newer.data] == [ids[1]]
    assert http.get("/v1/batches").json()["data"] == []
    with pytest.raises(anthropic.BadRequestError, match="cancel it first"):
        claude.messages.batches.delete(ids[0])
    cancelling = claude.messages.batches.cancel(ids[0])
    assert cancelling.processing_status in ("canceling", "ended")
    assert cancelling.cancel_initiated_at is not None
    over = ended(claude, batches[0])
    assert over.request_counts.canceled == 60
    assert {result.type for result in results(claude, over).values()} == {"canceled"}
    worker.resume()
    for batch in batches[1:]:
        assert ended(claude, batch).request_counts.succeeded == 60
    deleted = claude.messages.batches.delete(ids[0])
    assert (deleted.id, deleted.type) == (ids[0], "message_batch_deleted")
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.batches.retrieve(ids[0])
    # What a deleted batch had asked and answered goes with it.
    assert int(clean_redis.llen(keys.GARBAGE)) >= 2


#: Bodies, and what their refusals name.
WRONG: list[tuple[bytes, str]] = [
    (b"{", "JSON"),
    (b"[]", "batch"),
    (b'{"requests": []}', "requests"),
    (b'{"requests": [{"custom_id": "a"}]}', "params"),
    (b'{"requests": [{"custom_id": "a b", "params": {}}]}', "requests.0.custom_id"),
    (b'{"requests": [{"custom_id": "a", "params": 5}]}', "requests.0.params"),
    (b'{"requests": [{"custom_id": "a", "params": {}}, {"custom_id": "a", "params": {}}]}', "requests.1"),
    (json.dumps({"requests": [{"custom_id": f"{n}", "params": {}} for n in range(101)]}).encode(), "100"),
    (json.dumps({"requests": asked(1, system="x" * (1 << 20))}).encode(), "MAX_BODY_MB"),
]


def test_wrong_bodies_are_refused(make_settings: MakeSettings, tmp_path: Path) -> None:
    settings = make_settings(data_dir=tmp_path / "data", max_batch_requests=100, max_body_mb=1)
    with ApiServer(settings) as api:
        for body, told in WRONG:
            answer = httpx.post(f"{api.url}{PATH}", content=body)
            assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
            assert told in answer.json()["error"]["message"]
        large = httpx.post(f"{api.url}{PATH}", content=b" " * (66 << 20))
        assert (large.status_code, large.json()["error"]["type"]) == (413, "request_too_large")
    assert not list(settings.blob_folder.glob("stored-*"))


def test_results_of_a_batch_that_is_not_there(claude: anthropic.Anthropic, http: httpx.Client) -> None:
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.batches.retrieve("msgbatch_nope")
    for path in (f"{PATH}/msgbatch_nope/results", f"{PATH}/msgbatch_nope"):
        answer = http.get(path)
        assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")


def test_its_blobs_are_deleted_with_it(
    make_settings: MakeSettings, worker: ScriptedWorker, tmp_path: Path, clean_redis: redis.Redis
) -> None:
    settings = make_settings(data_dir=tmp_path / "data")
    blobs = LocalBlobs(settings.blob_folder)
    with ApiServer(settings) as api, anthropic.Anthropic(base_url=api.url, api_key="any") as claude:
        batch = ended(claude, claude.messages.batches.create(requests=asked(3)))
        claude.messages.batches.delete(batch.id)
    collect(clean_redis, blobs)
    assert list(settings.blob_folder.iterdir()) == []
