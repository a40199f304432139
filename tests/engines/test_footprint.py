"""The memory of a prompt: how much it takes, which prompt is refused, and which one waits for others to end."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm
import pytest
from mlx_lm.models.cache import make_prompt_cache

from config.settings import Settings
from jobs.errors import ContextLengthExceeded
from jobs.results import TextResult
from mlxq.catalog import ModelRef
from tests.support.checkpoints import random_qwen3
from tests.support.family_checkpoints import family_checkpoint
from tests.support.payloads import typed
from tests.support.stateful_checkpoints import stateful_checkpoint
from worker.engines.base import Alive, Delta, Done, Output
from worker.engines.llm import chat
from worker.engines.llm.footprint import measure
from worker.engines.llm.prompt_cache.layers import leaves
from worker.engines.llm.rows.reading import LARGEST, TokenReading

TOKENS = 1280


@pytest.mark.parametrize("kind", ["plain", "minicpm3", "hybrid", "window", "recurrent"])
def test_a_cache_is_as_large_as_it_was_measured(tmp_path: Path, kind: str) -> None:
    if kind == "plain":
        folder = random_qwen3(tmp_path / kind)
    elif kind == "minicpm3":
        folder = family_checkpoint(tmp_path / kind, kind)
    else:
        folder = stateful_checkpoint(tmp_path / kind, kind)
    model: Any = mlx_lm.load(str(folder))[0]
    layers = make_prompt_cache(model)
    for _ in range(TOKENS // 256):
        model(mx.array([[1] * 256]), cache=layers)
        mx.eval([layer.state for layer in layers])
    measured = measure(model)
    took = sum(leaf.nbytes for leaf in leaves(layers))
    # A window keeps what a piece has read until the next one.
    assert took - 256 * sum(size for size, _ in measured.windows) <= measured.bytes(TOKENS) <= took
    most = measured.most_tokens(measured.bytes(TOKENS))
    assert most is None if kind == "recurrent" else most == TOKENS


class Room:
    """What the rest of the process leaves. `free`: whether there is room beside what runs."""

    def __init__(self, most: int) -> None:
        self.bytes, self.free, self.asked = most, True, list[int]()

    def most(self) -> int:
        return self.bytes

    def make(self, needed: int) -> bool:
        self.asked.append(needed)
        return self.free


@pytest.fixture
def engine(tmp_path: Path) -> chat.ChatEngine:
    ref = ModelRef("tiny", random_qwen3(tmp_path / "tiny", context=65536))
    return chat.load(ref, Settings(prompt_cache_mb=0, prompt_cache_disk_gb=0))


def payload(words: int, **options: Any) -> Any:
    messages = [{"role": "user", "content": "word " * words}]
    return typed({"messages": messages, "max_tokens": 8, "ignore_eos": True, "temperature": 0, **options})


def run(engine: chat.ChatEngine, until: Callable[[Output], bool]) -> list[Output]:
    """The outputs up to one."""
    told: list[Output] = []
    while not any(map(until, told)):
        told += engine.step()
        engine.tidy()
    return told


def ends(task: str) -> Callable[[Output], bool]:
    return lambda output: isinstance(output, Done) and output.task_id == task


def test_a_prompt_that_memory_never_holds_is_refused_with_the_figures(engine: chat.ChatEngine) -> None:
    engine.bound(Room(2 * 1024 * 512))
    with pytest.raises(ContextLengthExceeded) as refused:
        engine.add("long", payload(2000), seed=1)
    found = re.search(r"prompt is too long: (\d+) tokens > 1024 maximum", refused.value.message)
    assert found is not None
    assert int(found[1]) > 2000
    assert "memory for about 1024 tokens" in refused.value.message
    engine.add("short", payload(20), seed=1)
    run(engine, ends("short"))


@pytest.fixture
def full(engine: chat.ChatEngine, monkeypatch: pytest.MonkeyPatch) -> Room:
    """A chat runs, which leaves no room for a long one that has come."""
    monkeypatch.setattr("worker.engines.llm.admission._LITTLE", 1 << 20)
    room = Room(1 << 40)
    room.free = False
    engine.bound(room)
    engine.add("running", payload(5, max_tokens=10_000), seed=1)
    engine.add("long", payload(600), seed=1)
    while not room.asked:
        engine.step()
        engine.tidy()
    return room


def test_a_prompt_that_has_no_room_beside_others_waits_until_they_end(
    engine: chat.ChatEngine, full: Room
) -> None:
    engine.add("short", payload(5, max_tokens=4), seed=1)
    told = run(engine, ends("short"))
    assert {type(output) for output in told if output.task_id == "long"} == {Alive}
    engine.remove("running")
    # Alone it need not wait: nothing would make more room.
    (end,) = filter(ends("long"), run(engine, ends("long")))
    assert isinstance(end, Done)
    assert isinstance(end.result, TextResult)
    # It needed its cache once to be read, and in the batch once for each row.
    assert full.asked[0] >= 3 * 512 * end.result.usage.prompt_tokens


def test_one_that_waits_can_leave(engine: chat.ChatEngine, full: Room) -> None:
    engine.remove("long")
    full.free = True
    engine.add("short", payload(5, max_tokens=4), seed=1)
    told = run(engine, ends("short"))
    engine.remove("running")
    assert engine.step() == []
    assert "long" not in {output.task_id for output in told}


def test_a_suspect_is_read_in_small_pieces_and_answered_as_ever(
    engine: chat.ChatEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces: list[int] = []
    read = TokenReading.read

    def recorded(reading: TokenReading, most: int) -> Any:
        before = reading.done
        arrays = read(reading, most)
        pieces.append(reading.done - before)
        return arrays

    monkeypatch.setattr(TokenReading, "read", recorded)
    # The speed of reading is known: pieces take a second.
    monkeypatch.setattr("worker.engines.llm.rows.reading.Pieces.size", lambda *_: LARGEST)
    answers, largest = [], []
    for careful in (False, True):
        engine.be_careful(careful)
        engine.add("task", payload(100), seed=1)
        told = run(engine, ends("task"))
        answers.append("".join(output.text for output in told if isinstance(output, Delta)))
        largest.append(max(pieces))
        pieces.clear()
    assert largest[0] > 128
    assert largest[1] == 128
    assert answers[0] == answers[1]
