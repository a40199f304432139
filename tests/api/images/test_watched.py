"""Pictures that take long: jobs, their files and their end, streams, and clients that leave."""

import base64
import json
import socket
from typing import Any

import httpx
import openai
import pytest
import redis

from jobs.blobs import BlobStore
from jobs.errors import EngineFailure
from tests.support.events import EventType
from tests.support.openai_shape import check_shape
from tests.support.paces import learn
from tests.support.painter import PNG, USAGE, finish, made, paint, show
from tests.support.scripted_worker import Run, ScriptedWorker


def test_a_job_in_the_background_shows_what_it_does(
    http: httpx.Client, painter: ScriptedWorker, blobs: BlobStore
) -> None:
    def step(run: Run) -> None:
        run.emit(EventType.PROGRESS, done=1, total=9)
        show(run, blobs, EventType.PREVIEW, 0, b"small", step=1)
        show(run, blobs, EventType.PARTIAL, 1, b"large", number=0)
        assert run.until_cancelled()
        run.cancelled()

    painter.play(step)
    accepted = paint(http, background=True)
    assert accepted.status_code == 202
    assert painter.claimed.acquire(timeout=60)
    job_id = accepted.json()["id"]
    assert painter.runs[0].payload["previews"] is True
    events = []
    with http.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line[6:]))
            if "number" in line:
                break
    progress, preview, partial = events[-3:]
    assert progress == {"done": 1, "total": 9}
    base = f"{str(http.base_url).rstrip('/')}/v1/jobs/{job_id}/artifacts"
    assert preview == {
        "artifact": 0,
        "content_type": "image/jpeg",
        "index": 0,
        "step": 1,
        "url": f"{base}/0",
    }
    assert partial["url"] == f"{base}/1"
    shown = http.get(preview["url"])
    assert (shown.headers["content-type"], shown.content) == ("image/jpeg", b"small")
    assert http.get(partial["url"]).content == b"large"
    assert "blob-" not in json.dumps(events)
    http.post(f"/v1/jobs/{job_id}/cancel")
    # The client looks at what there is of a picture that was not finished.
    assert http.get(f"/v1/jobs/{job_id}", params={"wait": 20}).json()["status"] == "cancelled"
    assert http.get(preview["url"]).content == b"small"


def test_a_job_that_is_asked_for_later_says_where_its_pictures_are(
    http: httpx.Client, painter: ScriptedWorker
) -> None:
    accepted = http.post(
        "/v1/images/edits", files={"image": PNG}, data={"prompt": "x", "background": "true", "n": "2"}
    )
    assert accepted.status_code == 202, accepted.text
    job = http.get(accepted.headers["location"], params={"wait": 20}).json()
    assert (job["status"], job["kind"], job["queue"]) == ("completed", "image", "image")
    check_shape("ImagesResponse", {**job["result"], "size": "1024x1024"})
    assert job["result"]["size"] == "64x48"
    assert [http.get(image["url"]).content for image in job["result"]["data"]] == [made(0), made(1)]
    assert "b64_json" not in job["result"]["data"][0]
    assert "blob-" not in json.dumps(job)


def test_when_a_picture_may_be_done(
    http: httpx.Client, painter: ScriptedWorker, clean_redis: redis.Redis, blobs: BlobStore
) -> None:
    def one_by_one(run: Run) -> None:
        for done in range(1, 5):
            run.emit(EventType.PROGRESS, done=done, total=4)
        finish(run, blobs)

    painter.play(one_by_one)
    painter.pause()
    unknown = paint(http, model="klein", background=True)
    painter.resume()
    job = http.get(unknown.headers["location"], params={"wait": 20}).json()
    assert (job["status"], unknown.json()["eta"], job["eta"]) == ("completed", None, None)
    # From here on as if a step of a million pixels took ten seconds.
    learn(clean_redis, "klein", step=10)
    painter.pause()
    megapixels = 1.024 * 1.024
    wanted: list[tuple[dict[str, Any], float]] = [
        ({"size": "1024x1024"}, 4 * megapixels),
        ({"size": "1024x1024", "steps": 1, "n": 2}, 2 * megapixels),
        ({"size": "512x512", "quality": "high"}, 6 * megapixels / 4),
    ]
    jobs = [paint(http, model="klein", background=True, **fields).json() for fields, _ in wanted]
    assert [job["position"] for job in jobs] == [1, 2, 3]
    foreseen = [10 * sum(work for _, work in wanted[: place + 1]) for place in range(3)]
    assert [job["eta"] for job in jobs] == pytest.approx(foreseen, rel=0.05)
    assert [http.get(job["urls"]["get"]).json()["eta"] for job in jobs] == pytest.approx(foreseen, rel=0.05)
    listed = http.get("/v1/jobs", params={"status": "queued"}).json()["data"]
    assert [job["eta"] for job in reversed(listed)] == pytest.approx(foreseen, rel=0.05)
    http.post(f"/v1/jobs/{jobs[1]['id']}/cancel")
    shorter = foreseen[2] - 10 * wanted[1][1]
    # What is known of the queue may be half a second old, and older on a busy machine.
    waits = (http.get(jobs[2]["urls"]["get"], params={"wait": 0.6}).json()["eta"] for _ in range(30))
    assert next(eta for eta in waits if eta < 0.9 * foreseen[2]) == pytest.approx(shorter, rel=0.05)
    http.post(f"/v1/jobs/{jobs[2]['id']}/cancel")
    http.post("/v1/queue/pause")
    assert http.get(jobs[0]["urls"]["get"]).json()["eta"] is None
    http.post("/v1/queue/resume")
    painter.play(lambda run: run.emit(EventType.PROGRESS, done=3, total=4))
    with http.stream("GET", jobs[0]["urls"]["events"]) as events:
        painter.resume()
        assert any(line.startswith('data: {"done":3') for line in events.iter_lines())
    # One step of it is left.
    assert http.get(jobs[0]["urls"]["get"]).json()["eta"] == pytest.approx(10 * megapixels, abs=2)


def test_a_picture_that_keeps_half_of_its_source_takes_half_of_the_steps(
    http: httpx.Client, painter: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    learn(clean_redis, "klein", step=10)
    painter.pause()
    source = base64.b64encode(PNG).decode()
    asked = {"size": "512x512", "steps": 8, "image": source, "strength": 0.5}
    job = paint(http, model="klein", background=True, **asked).json()
    assert job["eta"] == pytest.approx(10 * 4 * 0.512 * 0.512, rel=0.05)


def test_pictures_as_a_stream(sdk: openai.OpenAI, painter: ScriptedWorker, blobs: BlobStore) -> None:
    def again(run: Run) -> None:
        show(run, blobs, EventType.PARTIAL, 0, b"first", number=0)
        run.requeue()

    def whole(run: Run) -> None:
        show(run, blobs, EventType.PARTIAL, 0, b"first", number=0)
        show(run, blobs, EventType.PARTIAL, 1, b"second", number=1)
        finish(run, blobs)

    painter.play(again, whole)
    stream = sdk.images.generate(
        model="default", prompt="A fox", stream=True, partial_images=2, size="1024x1024", n=2
    )
    events = [event.to_dict(mode="json") for event in stream]
    assert [event["type"] for event in events] == [
        *["image_generation.partial_image"] * 2,
        *["image_generation.completed"] * 2,
    ]
    contents = [base64.b64decode(str(event["b64_json"])) for event in events]
    assert contents == [b"first", b"second", made(0), made(1)]
    assert [event["partial_image_index"] for event in events[:2]] == [0, 1]
    for event in events[:2]:
        check_shape("ImageGenPartialImageEvent", event)
    for event in events[2:]:
        check_shape("ImageGenCompletedEvent", event)
    assert events[-1]["usage"] == {
        **USAGE,
        "total_tokens": 45,
        "input_tokens_details": {"text_tokens": 5, "image_tokens": 0},
    }


def test_edits_as_a_stream_have_names_of_their_own(
    sdk: openai.OpenAI, painter: ScriptedWorker, blobs: BlobStore
) -> None:
    def partly(run: Run) -> None:
        show(run, blobs, EventType.PARTIAL, 0, b"first", number=0)
        finish(run, blobs)

    def break_down(run: Run) -> None:
        run.fail(EngineFailure("It broke."))

    painter.play(partly, break_down)
    stream = sdk.images.edit(image=PNG, prompt="x", stream=True, partial_images=1, size="1024x1024")
    partial, completed = (event.to_dict(mode="json") for event in stream)
    check_shape("ImageEditPartialImageEvent", partial)
    check_shape("ImageEditCompletedEvent", completed)
    with pytest.raises(openai.InternalServerError, match="It broke"):
        list(sdk.images.edit(image=PNG, prompt="x", stream=True))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wish", ["keep", "cancel"])
def test_a_picture_outlives_its_client_unless_it_shall_not(
    wish: str, stream: bool, http: httpx.Client, painter: ScriptedWorker, blobs: BlobStore
) -> None:
    def wait(run: Run) -> None:
        if stream:
            show(run, blobs, EventType.PARTIAL, 0, b"first", number=0)
        if wish == "cancel":
            assert run.until_cancelled()
            run.cancelled()

    painter.play(wait)
    fields = {"on_disconnect": wish, "stream": stream}
    job_id = _leave(http, painter, fields)
    if wish == "keep":
        (run,) = painter.runs
        assert http.get(f"/v1/jobs/{job_id}").json()["cancelling"] is False
        finish(run, blobs)
    job = http.get(f"/v1/jobs/{job_id}", params={"wait": 20}).json()
    assert job["status"] == ("completed" if wish == "keep" else "cancelled")


def _leave(http: httpx.Client, painter: ScriptedWorker, fields: dict[str, Any]) -> str:
    """Ask for a picture, and hang up as soon as a worker has begun it. Returns the job's id."""
    body = json.dumps({"prompt": "A fox", **fields}).encode()
    head = f"POST /v1/images/generations HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n"
    with socket.create_connection((http.base_url.host, http.base_url.port or 80)) as connection:
        connection.sendall(f"{head}content-type: application/json\r\n\r\n".encode() + body)
        assert painter.claimed.acquire(timeout=60)
    return painter.runs[-1].claim.job_id
