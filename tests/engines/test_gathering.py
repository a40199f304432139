"""How long the batch lets a prompt wait for others that come with it."""

from typing import Any

import mlx_lm
import pytest
from mlx_lm.generate import StopSequences
from mlx_lm.sample_utils import greedy_sampler

from tests.support.checkpoints import random_qwen3
from worker.engines.llm.rows import batch
from worker.engines.llm.rows.batch import Batch
from worker.engines.llm.rows.row import Row


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return mlx_lm.load(str(random_qwen3(tmp_path_factory.mktemp("gathering") / "tiny")))[0]


def start(running: Batch, length: int = 40, max_tokens: int = 2) -> None:
    row = Row(None, greedy_sampler, [], StopSequences(), max_tokens)
    running.insert([row], list(range(1, length + 1)), 0, None)


def finish(running: Batch) -> None:
    while len(running):
        running.step()


def test_a_first_prompt_never_waits(model: Any) -> None:
    """How long it takes to read is not known yet."""
    running = Batch(model, 4)
    start(running)
    assert running.gather_time() == 0
    running.close()


def test_a_prompt_waits_a_small_part_of_the_time_that_it_takes_to_read(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Batch(model, 4)
    start(running)
    finish(running)
    assert running.gather_time() == 0, "nobody is there"
    now = 1000.0
    monkeypatch.setattr("worker.engines.llm.rows.batch.time.monotonic", lambda: now)
    running._speed = 100.0
    start(running, length=50)
    assert running.gather_time() == pytest.approx(0.5 * batch.NEXT_SHARE)
    start(running, length=50)
    assert running.gather_time() == pytest.approx(1.0 * batch.NEXT_SHARE)
    now += 2 * batch.GATHER_MOST
    assert running.gather_time() == 0, "it has waited long enough"
    monkeypatch.undo()
    finish(running)
    running.close()


def test_it_does_not_wait_while_others_decode_nor_when_the_batch_is_full(model: Any) -> None:
    running = Batch(model, 2)
    start(running, max_tokens=50)
    running.step()
    running._speed = 1.0
    start(running)
    assert running.gather_time() == 0
    finish(running)
    running._speed = 1.0
    start(running)
    start(running)
    assert running.gather_time() == 0
    finish(running)
    running.close()
