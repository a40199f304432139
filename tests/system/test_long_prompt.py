"""A prompt that its model or memory does not hold is refused with the figures; the worker goes on."""

import re
from pathlib import Path

import httpx
import pytest

from tests.support.checkpoints import random_qwen3
from tests.support.stories import refusal, submit
from tests.support.system import System

pytestmark = pytest.mark.slow


def ask(system: System, words: int, *, stream: bool = False) -> httpx.Response:
    messages = [{"role": "user", "content": "word " * words}]
    body = {"model": "first", "messages": messages, "max_tokens": 4, "stream": stream}
    return system.http.post("/v1/chat/completions", json=body)


def figures(refused: httpx.Response) -> tuple[int, int]:
    """The tokens of a refused prompt, and how many there may be."""
    error = refusal(refused)
    assert error["code"] == "context_length_exceeded"
    found = re.search(r": prompt is too long: (\d+) tokens > (\d+) maximum", error["message"])
    assert found is not None, error["message"]
    return int(found[1]), int(found[2])


def test_a_prompt_that_is_too_long_for_this_machine_is_refused(tmp_path: Path) -> None:
    random_qwen3(tmp_path / "first", context=1 << 20)
    system = System(tmp_path, "first", MEMORY_BUDGET_GB=0.008, PROMPT_CACHE_DISK_GB=0)
    try:
        system.start()
        for stream in (False, True):
            tokens, most = figures(ask(system, 20_000, stream=stream))
            assert 512 < most < 20_000 < tokens
        assert ask(system, 20, stream=True).status_code == 200
    finally:
        system.stop()


def test_a_prompt_that_is_too_long_for_its_model_is_refused_although_the_queue_is_full(
    tmp_path: Path,
) -> None:
    random_qwen3(tmp_path / "first", context=1 << 14)
    system = System(tmp_path, "first", BATCH_SIZE=1, QUEUE_LIMIT=1)
    try:
        system.start()
        running = submit(system, "run", max_tokens=16_000)
        system.wait_until(lambda: system.job(running)["status"] == "in_progress", "it does not start")
        waiting = submit(system, "run", max_tokens=16_000)
        # Counting has a moment only: on a busy machine one request may be told that the queue is full.
        answers = list[httpx.Response]()

        def counted() -> bool:
            answers.append(ask(system, 20_000, stream=True))
            return answers[-1].status_code == 400

        system.wait_until(counted, "it is not counted")
        assert {each.status_code for each in answers[:-1]} <= {429}
        tokens, most = figures(answers[-1])
        assert tokens > most == (1 << 14) - 1
        assert system.job(waiting)["status"] == "queued"
    finally:
        system.stop()
