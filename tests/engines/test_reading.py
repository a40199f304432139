"""Long prompts are read in pieces: others decode in between, short ones go first, and each says how far it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models import qwen3
from typing_extensions import TypeIs

from config.settings import Settings
from mlxq.catalog import ModelRef
from tests.support.checkpoints import random_qwen3
from tests.support.events import plain
from tests.support.payloads import typed
from worker.engines.base import Delta, Done, Failed, Output, Progress
from worker.engines.llm import chat, request
from worker.engines.llm.rows import allowance, reading, solo

#: Tokens of the largest piece here.
PIECE = 64
#: Each is several pieces long, and begins otherwise.
LONG = ["".join(chr(97 + (n * n + first) % 26) for n in range(12 * PIECE)) for first in range(3)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_qwen3(tmp_path_factory.mktemp("reading") / "model", seed=5)


@pytest.fixture
def engine(
    model: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[chat.ChatEngine]:
    monkeypatch.setattr(reading, "LARGEST", PIECE)
    monkeypatch.setattr(solo, "PIECE", PIECE)
    if getattr(request, "param", "batch") == "solo":
        monkeypatch.setattr(chat, "_can_batch", lambda model: False)
    made = chat.load(ModelRef("model", model), Settings())
    yield made
    made.close()


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report every piece that is read."""
    monkeypatch.setattr(request, "REPORT_EVERY", 0.0)


def ask(engine: chat.ChatEngine, task: str, text: str, **fields: Any) -> None:
    usual = {"temperature": 0, "max_tokens": 4, "ignore_eos": True}
    engine.add(task, typed({"messages": [{"role": "user", "content": text}], **usual, **fields}), seed=1)


def is_read(output: Output) -> TypeIs[Progress]:
    """Whether it says how much of prompts is read. What is written of a slow answer is told, too."""
    return isinstance(output, Progress) and output.unit == "prompt_tokens"


def outputs(engine: chat.ChatEngine) -> Iterator[Output]:
    """What comes of the engine's tasks, until none is left."""
    while engine._tasks:
        yield from engine.step()
        engine.tidy()


def answers(told: list[Output]) -> dict[str, str]:
    """The text of each task that was answered."""
    ended = {output.task_id: plain(output.result) for output in told if isinstance(output, Done)}
    return {task: result["choices"][0]["text"] for task, result in ended.items()}


def alone(engine: chat.ChatEngine, text: str) -> str:
    """The answer to it while nothing else is asked, read anew."""
    ask(engine, "alone", text)
    told = answers(list(outputs(engine)))["alone"]
    engine.clear_cache()
    return told


def test_a_short_question_is_answered_before_a_long_prompt_beside_it_is_read(
    engine: chat.ChatEngine, unhurried: None
) -> None:
    ask(engine, "long", LONG[0])
    engine.step()
    ask(engine, "short", "hi")
    told = list(outputs(engine))
    (answered,) = (
        place for place, each in enumerate(told) if isinstance(each, Done) and each.task_id == "short"
    )
    read = [place for place, each in enumerate(told) if is_read(each)]
    assert answered < read[-1]
    assert answers(told).keys() == {"long", "short"}


def test_a_chat_that_runs_gets_a_token_between_two_pieces(engine: chat.ChatEngine, unhurried: None) -> None:
    ask(engine, "running", "hi", max_tokens=400)
    while not any(isinstance(each, Delta) for each in engine.step()):
        pass
    ask(engine, "long", LONG[0])
    (sequence,) = engine._tasks["running"].sequences
    pieces = 0
    while not any(isinstance(each, Delta) and each.task_id == "long" for each in told(engine)):
        pieces += 1
    assert pieces > len(LONG[0]) / PIECE
    assert sequence.tokens > pieces


def told(engine: chat.ChatEngine) -> list[Output]:
    """What the next step brings, and whether all still goes on."""
    outputs = engine.step()
    engine.tidy()
    assert not any(isinstance(each, Failed) for each in outputs)
    return outputs


def test_prompts_take_turns_and_the_oldest_ends_although_shorter_ones_keep_coming(
    engine: chat.ChatEngine,
) -> None:
    ask(engine, "oldest", LONG[0])
    ended: set[str] = set()
    for number in range(200):
        if len(engine._tasks) < 3:
            ask(engine, f"newer {number}", f"{number} " + LONG[1][: 3 * PIECE])
        ended |= {each.task_id for each in told(engine) if isinstance(each, Done)}
        if "oldest" in ended:
            break
    assert "oldest" in ended
    assert len(ended) > 3, "and they did not wait for it either"


def test_one_of_several_that_are_read_leaves_and_the_others_go_on(engine: chat.ChatEngine) -> None:
    wanted = [alone(engine, text) for text in LONG]
    for number, text in enumerate(LONG):
        ask(engine, str(number), text)
    for _ in range(6):
        told(engine)
    engine.remove("1")
    assert answers(list(outputs(engine))) == {"0": wanted[0], "2": wanted[2]}


@pytest.mark.parametrize("engine", ["batch", "solo"], indirect=True)
def test_it_says_how_far_it_is_of_all_tokens_of_the_prompt(engine: chat.ChatEngine, unhurried: None) -> None:
    ask(engine, "first", LONG[0])
    said = list(outputs(engine))
    first = [each for each in said if is_read(each)]
    (done,) = (plain(each.result) for each in said if isinstance(each, Done))
    total = done["usage"]["prompt_tokens"]
    assert {(each.total, each.unit) for each in first} == {(total, "prompt_tokens")}
    assert [each.done for each in first] == sorted({each.done for each in first})
    assert first[0].done <= 2 * PIECE
    assert first[-1].done == total
    ask(engine, "again", LONG[0] + LONG[1])
    again = [each for each in outputs(engine) if is_read(each)]
    assert again[0].done > len(LONG[0]), "what was cached is done"
    assert again[-1].done == again[-1].total


def test_what_is_read_at_once_has_no_progress(engine: chat.ChatEngine, unhurried: None) -> None:
    ask(engine, "short", "hi")
    assert not any(is_read(each) for each in outputs(engine))


def test_prompts_of_one_request_are_counted_together(engine: chat.ChatEngine, unhurried: None) -> None:
    engine.add("several", typed({"prompts": LONG, "max_tokens": 1}), seed=1)
    said = list(outputs(engine))
    total = sum(len(text) for text in LONG)
    progress = [each for each in said if is_read(each)]
    assert {each.total for each in progress} == {total}
    assert progress[-1].done == total
    assert answers(said).keys() == {"several"}


def test_a_prompt_that_the_model_fails_on_fails_alone(
    engine: chat.ChatEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = alone(engine, LONG[0])
    compute = qwen3.Model.__call__
    (mark,) = engine._language.tokenizer.encode("Z")

    def failing(self: Any, tokens: mx.array, *args: Any, **options: Any) -> Any:
        if bool((tokens == mark).any()):
            raise FloatingPointError("this piece")
        return compute(self, tokens, *args, **options)

    monkeypatch.setattr(qwen3.Model, "__call__", failing)
    ask(engine, "good", LONG[0])
    ask(engine, "bad", LONG[1][:200] + "Z")
    said = list(outputs(engine))
    assert [each.task_id for each in said if isinstance(each, Failed)] == ["bad"]
    assert answers(said) == {"good": wanted}


def test_pieces_are_as_large_as_their_time_allows() -> None:
    pieces = reading.Pieces()
    assert pieces.size(1.0) == reading.SMALLEST
    assert not pieces.fits(1.0)
    pieces.took(reading.SMALLEST, 0.1)
    speed = reading.SMALLEST / 0.1
    assert speed * 0.5 - reading.SMALLEST < pieces.size(0.5) <= speed * 0.5
    pieces.took(reading.SMALLEST, 0.4)
    assert pieces.size(0.5) < speed * 0.5, "attention to a longer prompt takes longer"
    assert pieces.size(1e6) == reading.LARGEST
    assert pieces.size(0.0) == reading.SMALLEST


def test_prompts_of_the_background_that_wait_do_not_slow_answers(
    engine: chat.ChatEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The more prompts wait, the longer is read between two steps of the answers; these wait in any case."""
    weights: list[float] = []
    claim = allowance.Allowance.claim

    def noted(self: allowance.Allowance, began: float, **how: Any) -> float | None:
        weights.append(how["weight"])
        return claim(self, began, **how)

    monkeypatch.setattr(allowance.Allowance, "claim", noted)
    ask(engine, "answer", "hi", max_tokens=500)
    engine.step()
    for name, text in zip(("one", "other"), LONG, strict=False):
        engine.give_way(name)
        ask(engine, name, text)
    ask(engine, "urgent", LONG[2])
    while not weights:
        engine.step()
    assert weights == [1.0]
    assert answers(list(outputs(engine))).keys() == {"answer", "one", "other", "urgent"}
