"""Processes die at the worst moments. Whatever was accepted is answered, once."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import mlx_lm
import openai
import pytest

from tests.support.checkpoints import random_qwen3
from tests.support.impatient import jobs_of
from tests.support.stories import check_whole, outcome, said, story, submit
from tests.support.system import System

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

#: Seconds that Redis stays away: longer than a lease.
ABSENCE = 6.0
#: Tokens that are never made in the time of a story.
ENDLESS = 30_000
LONG_PROMPT = "once upon a time " * 300


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "first", seed=1, context=32768)
    random_qwen3(root / "org" / "second", seed=2)
    return root


@pytest.fixture(scope="module")
def expected(models: Path) -> Callable[[str, int], str]:
    """What the library says, greedily, to a prompt: the text every job must end with."""
    model, tokenizer = mlx_lm.load(str(models / "first"), tokenizer_config={"eos_token": "<|endoftext|>"})[:2]
    tokenizer._eos_token_ids = set()

    def say(prompt: str, max_tokens: int) -> str:
        tokens = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True
        )
        return mlx_lm.generate(model, tokenizer, tokens, max_tokens=max_tokens)

    return say


@pytest.fixture(scope="module")
def shared(models: Path) -> Iterator[System]:
    # That a job ran whenever a process was killed is no fault of its own.
    running = System(
        models, "first", BATCH_SIZE=4, QUEUE_LIMIT=500, STEP_TIMEOUT=30, MAX_ATTEMPTS=100
    ).start()
    yield running
    running.stop()


@pytest.fixture
def system(shared: System) -> System:
    """With all of its processes, whatever the story before has left, and with nothing to do."""
    if not shared.redis.is_up:
        shared.redis.start()
    if shared.worker is None:
        shared.start_worker()
    if shared.api is None:
        shared.start_api()
    shared.wait_healthy()
    shared.wait_until(lambda: stats(shared)["waiting"] + stats(shared)["running"] == 0, "jobs are left")
    return shared


class Moments:
    """Bring a job to a moment of its life, and say when it is there."""

    def __init__(self, system: System) -> None:
        self.system = system

    def queued(self) -> tuple[str, str, int]:
        for _ in range(4):
            submit(self.system, "in the way", max_tokens=400)
        return submit(self.system, "wait", max_tokens=20), "wait", 20

    def prefilling(self) -> tuple[str, str, int]:
        job = submit(self.system, LONG_PROMPT, max_tokens=20)
        self._reach(job, "started")
        return job, LONG_PROMPT, 20

    def streaming(self) -> tuple[str, str, int]:
        job = submit(self.system, "stream", max_tokens=800, stream=True)
        self._reach(job, "delta", times=20)
        return job, "stream", 800

    def finishing(self) -> tuple[str, str, int]:
        job = submit(self.system, "end", max_tokens=30, stream=True)
        self._reach(job, "delta", times=28)
        return job, "end", 30

    def _reach(self, job_id: str, event: str, times: int = 1) -> None:
        with self.system.http.stream("GET", f"/v1/jobs/{job_id}/events") as response:
            seen = 0
            for line in response.iter_lines():
                seen += line == f"event: {event}"
                if seen == times or line == "event: completed":
                    return


def stats(system: System) -> dict[str, Any]:
    queue: dict[str, Any] = system.http.get("/v1/queue/stats").json()["queues"]["llm"]
    return queue


MOMENTS = ["queued", "prefilling", "streaming", "finishing"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_worker_is_killed(system: System, expected: Callable[[str, int], str], moment: str) -> None:
    job_id, prompt, tokens = getattr(Moments(system), moment)()
    system.kill_worker()
    system.start_worker()
    check_whole(system, job_id, expected(prompt, tokens))


def test_the_worker_is_killed_while_two_models_generate(system: System) -> None:
    models = ("first", "org/second")
    for model in models:
        system.http.post("/v1/models/load", json={"model": model}).raise_for_status()
    jobs = [submit(system, "both", model=model, max_tokens=2500) for model in models]
    for job in jobs:
        Moments(system)._reach(job, "delta")
    assert {system.job(job)["status"] for job in jobs} == {"in_progress"}
    system.kill_worker()
    system.start_worker()
    ends = [outcome(system, job) for job in jobs]
    assert [end["result"]["usage"]["completion_tokens"] for end in ends] == [2500] * 2
    assert [end["attempts"] for end in ends] == [2, 2]


def test_the_worker_is_killed_while_it_loads(
    make_system: Callable[..., System], expected: Callable[[str, int], str]
) -> None:
    system = make_system(LLM_MODEL="nothing/to-preload")
    job_id = submit(system, "load me", max_tokens=20)
    Moments(system)._reach(job_id, "loading")
    system.kill_worker()
    system.start_worker()
    check_whole(system, job_id, expected("load me", 20))


@pytest.mark.parametrize("moment", MOMENTS)
def test_redis_is_killed_and_stays_away(
    system: System, expected: Callable[[str, int], str], moment: str
) -> None:
    job_id, prompt, tokens = getattr(Moments(system), moment)()
    system.redis.kill()
    refused = system.http.post(
        "/v1/chat/completions", json={"model": "first", "messages": [{"role": "user", "content": "?"}]}
    )
    assert refused.status_code == 503
    assert 0 < int(refused.headers["retry-after"]) <= 120
    assert system.http.get("/health").status_code == 503
    time.sleep(ABSENCE)
    system.redis.start()
    check_whole(system, job_id, expected(prompt, tokens))
    system.wait_healthy()


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_api_is_killed_and_the_client_polls_the_same_id(
    system: System, expected: Callable[[str, int], str], moment: str
) -> None:
    job_id, prompt, tokens = getattr(Moments(system), moment)()
    system.kill_api()
    system.start_api()
    check_whole(system, job_id, expected(prompt, tokens))


def test_a_hundred_jobs_survive_three_killed_workers_and_a_killed_redis(
    system: System, expected: Callable[[str, int], str]
) -> None:
    before = stats(system)["finished"]
    jobs = {submit(system, f"job {n}", max_tokens=30): f"job {n}" for n in range(100)}

    def reach(share: int) -> None:
        system.wait_until(lambda: stats(system)["finished"] >= before + share, f"never {share} jobs")

    for share in (10, 30, 50):
        reach(share)
        system.kill_worker()
        system.start_worker()
    reach(70)
    system.redis.kill()
    system.redis.start()
    for job_id, prompt in jobs.items():
        check_whole(system, job_id, expected(prompt, 30))


def hear(system: System, interrupt: Callable[[], None]) -> str:
    """What a client hears of a stream that is interrupted after 30 chunks."""
    chunks = system.openai().chat.completions.create(
        model="first",
        messages=[{"role": "user", "content": "stream"}],
        stream=True,
        temperature=0,
        max_tokens=600,
        extra_body={"ignore_eos": True},
    )
    heard = ""
    for number, chunk in enumerate(chunks):
        heard += chunk.choices[0].delta.content or "" if chunk.choices else ""
        if number == 30:
            interrupt()
    return heard


def test_a_streaming_client_sees_one_whole_answer_over_a_killed_worker(
    system: System, expected: Callable[[str, int], str]
) -> None:
    """The new worker says the same again; the client is told only what it has not heard."""

    def interrupt() -> None:
        system.kill_worker()
        system.start_worker()

    assert hear(system, interrupt) == expected("stream", 600)


def test_a_streaming_client_sees_one_whole_answer_over_an_absent_redis(
    system: System, expected: Callable[[str, int], str]
) -> None:
    def interrupt() -> None:
        system.redis.kill()
        threading.Timer(1.0, system.redis.start).start()

    assert hear(system, interrupt) == expected("stream", 600)


def test_sigterm_drains_running_jobs_and_keeps_waiting_ones(
    system: System, expected: Callable[[str, int], str]
) -> None:
    running = submit(system, "short", max_tokens=600)
    system.wait_until(lambda: system.job(running)["status"] != "queued", "it does not start")
    assert system.stop_worker() == 0
    assert system.job(running)["status"] == "completed"
    waiting = submit(system, "later", max_tokens=10)
    system.start_worker()
    check_whole(system, running, expected("short", 600))
    check_whole(system, waiting, expected("later", 10))


def test_sigterm_puts_back_what_does_not_end_in_time(
    make_system: Callable[..., System], expected: Callable[[str, int], str]
) -> None:
    system = make_system(DRAIN_TIMEOUT=0.2)
    job_id = submit(system, "long", max_tokens=ENDLESS, stream=True)
    Moments(system)._reach(job_id, "delta", times=5)
    assert system.stop_worker() == 0
    assert system.job(job_id)["status"] == "queued"
    system.start_worker()
    _answers_again(system, job_id, 2, times=40)
    system.http.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
    assert outcome(system, job_id)["status"] == "cancelled"
    told = story(system, job_id)
    (again,) = [place for place, event in enumerate(told) if event.type == "requeued"]
    text = "".join(event.data["text"] for event in told[again:] if event.type == "delta")
    assert text.startswith(expected("long", 40))


def test_a_job_that_kills_its_worker_every_time_fails_and_says_so(
    make_system: Callable[..., System],
) -> None:
    system = make_system(MAX_ATTEMPTS=2)
    job_id = submit(system, "poison", max_tokens=ENDLESS, stream=True)
    for attempt in (1, 2):
        _answers_again(system, job_id, attempt)
        system.kill_worker()
        system.start_worker()
    ended = outcome(system, job_id)
    assert ended["status"] == "failed"
    assert ended["error"]["code"] == "worker_died"


def _answers_again(system: System, job_id: str, attempt: int, times: int = 1) -> None:
    """Return when this attempt has output: its model is loaded, and works on it."""
    started = seen = 0
    with system.http.stream("GET", f"/v1/jobs/{job_id}/events") as response:
        for line in response.iter_lines():
            started += line == "event: started"
            seen += started == attempt and line == "event: delta"
            if seen == times:
                return


def test_a_second_worker_takes_over_from_a_dead_one(
    system: System, expected: Callable[[str, int], str]
) -> None:
    """Two workers on one Redis: nothing forbids it, and the one that lives finds what the other left."""
    first = system.worker
    system.start_worker()
    job_ids = [submit(system, f"shared {n}", max_tokens=150, stream=True) for n in range(12)]
    Moments(system)._reach(job_ids[0], "delta", times=3)
    assert first is not None
    first.kill()
    first.wait()
    for number, job_id in enumerate(job_ids):
        check_whole(system, job_id, expected(f"shared {number}", 150))


def test_a_load_goes_on_where_the_worker_that_was_chosen_for_it_has_died(system: System) -> None:
    """The one that has the model is chosen as long as nobody knows that it is dead; another one stands in for it."""

    def workers() -> list[str]:
        return [row["id"] for row in system.http.get("/v1/workers").json()["data"]]

    def load(**fields: Any) -> httpx.Response:
        return system.http.post("/v1/models/load", json={"model": "org/second", **fields})

    holder = system.worker
    assert holder is not None
    system.wait_until(lambda: len(workers()) == 1, "a dead worker is still listed")
    [name] = workers()
    system.start_worker()
    system.wait_until(lambda: len(workers()) == 2, "no second worker")
    assert load(worker=name).status_code == 200
    holder.kill()
    holder.wait()
    answer = load()
    assert (answer.status_code, answer.json().get("status")) == (200, "loaded"), answer.text
    assert load(worker=name).status_code == 404


def test_an_sdk_retry_after_a_lost_connection_attaches_to_the_live_job(system: System) -> None:
    """The API dies under a call; the SDK calls again: one inference, and the answer."""
    client = openai.OpenAI(base_url=f"{system.url}/v1", api_key="any", max_retries=30)
    answers: list[Any] = []
    before = {job["id"] for job in jobs_of(system, set())}

    def call() -> None:
        answers.append(
            client.chat.completions.create(
                model="first",
                messages=[{"role": "user", "content": "again and again"}],
                temperature=0,
                max_tokens=1500,
                extra_body={"ignore_eos": True},
            )
        )

    thread = threading.Thread(target=call)
    thread.start()
    system.wait_until(lambda: jobs_of(system, before), "no job")
    system.kill_api()
    system.start_api()
    thread.join(200)
    jobs = jobs_of(system, before)
    assert len(jobs) == 1
    assert answers[0].id == jobs[0]["id"]
    assert said(system.job(jobs[0]["id"])) == answers[0].choices[0].message.content


def test_a_worker_that_waits_for_redis_can_be_stopped(system: System) -> None:
    system.stop_worker()
    system.redis.kill()
    system.start_worker()
    system.wait_until(lambda: "waiting for Redis" in system.log.read_text(), "it does not say so")
    assert system.stop_worker() == 0
