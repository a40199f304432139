"""Impatient clients of long prompts: however often they leave and ask again, the prompt is read once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.counted_worker import Reading
from tests.support.impatient import SHAPES, CountedSystem, Impatient, jobs_of, read_once
from tests.support.stories import outcome
from tests.support.system import System

pytestmark = pytest.mark.slow

#: Tokens of the prompts here, one for each character.
LONG = 3000


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    return Reading(tmp_path_factory.mktemp("counted"))


@pytest.fixture(scope="module")
def counted(models: Path, reading: Reading) -> Iterator[System]:
    running = CountedSystem(models, "first", COUNTED=reading.folder).start()
    yield running
    reading.go_on()
    running.stop()


@pytest.fixture(autouse=True)
def let_go(reading: Reading) -> Iterator[None]:
    yield
    reading.go_on()


def text(name: str) -> str:
    return "".join(f"{name} {number} " for number in range(LONG))[:LONG]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_prompt_is_read_once_however_often_its_client_leaves(
    counted: System, reading: Reading, shape: str
) -> None:
    story = read_once(counted, reading, SHAPES[shape], text(shape), (0.1, 0.5, 0.9, 0.9, 0.9))
    assert story.one, story
    assert LONG <= story.read <= 1.05 * LONG


def test_the_client_of_a_killed_api_finds_its_job(counted: System, reading: Reading) -> None:
    shape = SHAPES["sdk"]
    body = shape.body(text("killed"))
    before = {job["id"] for job in jobs_of(counted, set())}
    start = reading.tokens
    reading.hold(start + LONG // 2)
    client = Impatient(counted, shape, body)
    counted.wait_until(lambda: reading.tokens >= start + LONG // 2, "it does not read")
    counted.kill_api()
    client.leave()
    counted.start_api()
    reading.go_on()
    answer = counted.http.post(shape.path, json=body, headers=shape.headers).json()
    jobs = jobs_of(counted, before)
    assert [job["id"] for job in jobs] == [answer["id"]], (jobs, counted.log.read_text()[-4000:])
    assert reading.tokens - start <= 1.05 * LONG


def test_what_a_cancelled_job_has_read_is_not_read_again(counted: System, reading: Reading) -> None:
    # Its answer is long enough for the worker to hear of the end.
    body = {**SHAPES["sdk"].body(text("cancelled")[:1000]), "max_tokens": 3000, "ignore_eos": True}
    start = reading.tokens
    reading.hold(start + 500)
    job_id = counted.http.post("/v1/chat/completions", json={**body, "background": True}).json()["id"]
    counted.wait_until(lambda: reading.tokens >= start + 500, "it does not read")
    counted.http.delete(f"/v1/jobs/{job_id}").raise_for_status()
    reading.go_on()
    assert outcome(counted, job_id)["status"] == "cancelled"
    read = reading.tokens - start
    answer = counted.http.post("/v1/chat/completions", json={**body, "max_tokens": 1}).json()
    # The last token of a prompt is read with the answer.
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] >= read - 1 > 0


def test_a_chat_that_was_stopped_makes_no_more_than_a_little(counted: System, reading: Reading) -> None:
    """Who presses stop wastes nothing; who asks again gets the rest."""
    body = {
        "model": "first",
        "messages": [{"role": "user", "content": "stop"}],
        "max_tokens": 400,
        "stream": True,
        "ignore_eos": True,
        "temperature": 0,
    }
    before = {job["id"] for job in jobs_of(counted, set())}
    with counted.http.stream("POST", "/v1/chat/completions", json=body) as answer:
        lines = answer.iter_lines()
        while "content" not in next(lines):
            pass
    (job,) = jobs_of(counted, before)
    counted.wait_until(lambda: counted.job(job["id"])["lingers_until"], "it does not linger")
    # Another chat of many steps runs beside it.
    other = {**body, "messages": [{"role": "user", "content": "go"}], "stream": False}
    assert counted.http.post("/v1/chat/completions", json=other).json()["usage"]["completion_tokens"] == 400
    stopped = counted.job(job["id"])
    assert stopped["status"] == "in_progress"
    again = counted.http.post("/v1/chat/completions", json={**body, "stream": False}).json()
    assert again["id"] == job["id"]
    assert again["usage"]["completion_tokens"] == 400
