"""Grammars are compiled beside the engine's thread: others are answered meanwhile, and it all has bounds."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from jobs.errors import InvalidRequest
from mlxq.catalog import ModelRef
from tests.support.payloads import typed
from worker.engines.base import Delta, Done, Failed, Output
from worker.engines.llm import chat
from worker.engines.llm.grammars import compiling, grammar
from worker.engines.llm.grammars.compiling import COMPILE_TIMEOUT
from worker.engines.llm.grammars.grammar import Written, json_grammar, size_of

TINY_CHAT = Path(__file__).parents[2] / "models" / "tiny-chat"


@pytest.fixture
def engine() -> chat.ChatEngine:
    return chat.load(ModelRef("tiny-chat", TINY_CHAT), Settings())


def payload(**options: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Hello"}], "temperature": 0, "max_tokens": 40, **options}


def held(number: int = 1) -> dict[str, Any]:
    return payload(grammar={"json_schema": {"const": number}})


@contextmanager
def no_thread_free(engine: chat.ChatEngine) -> Iterator[None]:
    """All threads that compile are busy while the body runs."""
    free = threading.Event()
    threads = engine._answers._grammars._threads
    busy = [threads.submit(free.wait, 60) for _ in range(threads._max_workers)]
    try:
        yield
    finally:
        free.set()
        for each in busy:
            each.result()


def run(engine: chat.ChatEngine, until: str, steps: int = 3000) -> list[Output]:
    """What comes until a task has ended."""
    outputs: list[Output] = []
    for _ in range(steps):
        outputs += engine.step()
        if any(isinstance(output, Done | Failed) and output.task_id == until for output in outputs):
            return outputs
    raise AssertionError(f"{until} did not end")


def test_others_are_answered_while_a_grammar_is_compiled(engine: chat.ChatEngine) -> None:
    with no_thread_free(engine):
        engine.add("held", typed(held()), seed=1)
        engine.add("free", typed(payload()), seed=1)
        assert {output.task_id for output in run(engine, "free")} == {"free"}
    outputs = run(engine, "held")
    assert "".join(output.text for output in outputs if isinstance(output, Delta)) == "1"
    # The next one finds it compiled.
    with no_thread_free(engine):
        engine.add("again", typed(held()), seed=1)
        run(engine, "again")


def test_a_task_may_leave_before_its_grammar_is_there(engine: chat.ChatEngine) -> None:
    with no_thread_free(engine):
        engine.add("held", typed(held()), seed=1)
        engine.step()
        engine.remove("held")
    engine.add("free", typed(payload()), seed=1)
    assert {output.task_id for output in run(engine, "free")} == {"free"}


def test_a_grammar_has_its_time(engine: chat.ChatEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert COMPILE_TIMEOUT <= 60, "a step may last a minute"
    monkeypatch.setattr(compiling, "COMPILE_TIMEOUT", 0.0)
    ended = threading.Event()
    monkeypatch.setattr(engine._answers._grammars, "_compile", lambda _: ended.wait(60))
    try:
        engine.add("held", typed(held()), seed=1)
        [failed] = run(engine, "held")
    finally:
        ended.set()
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, InvalidRequest)
    assert failed.error.code == "invalid_json_schema"


def test_the_time_of_a_grammar_begins_when_those_before_it_are_compiled(
    engine: chat.ChatEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as short, no_thread_free(engine):
        short.setattr(compiling, "COMPILE_TIMEOUT", 0.0)
        engine.add("held", typed(held()), seed=1)
        assert not any(isinstance(output, Failed) for _ in range(5) for output in engine.step())
    assert isinstance(run(engine, "held")[-1], Done)


def test_what_is_remembered_has_a_size(engine: chat.ChatEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    grammars = engine._answers._grammars
    texts = [json_grammar({"enum": [f"{number} {'x' * 500}"]}) for number in range(8)]
    monkeypatch.setattr(grammar, "MOST_BYTES", 3 * size_of(texts[0]))
    for text in texts:
        grammars._compile(Written(text, "response_format"))
    assert list(grammars._compiled) == texts[-3:]
    # An automaton is as large as its states, whatever its text.
    assert size_of(json_grammar({"multipleOf": 9999})) > size_of(json_grammar({"multipleOf": 3})) + 3_000_000
    assert size_of(json_grammar({"multipleOf": 0.25})) < 200_000


def test_what_no_grammar_is_fails_alone(engine: chat.ChatEngine) -> None:
    engine.add("free", typed(payload()), seed=1)
    engine.add("held", typed(payload(grammar={"json_schema": {"type": "banana"}})), seed=1)
    outputs = run(engine, "held")
    if not any(isinstance(output, Done) for output in outputs):
        outputs += run(engine, "free")
    [failed] = [output for output in outputs if isinstance(output, Failed)]
    assert failed.task_id == "held"
    assert isinstance(failed.error, InvalidRequest)
    assert any(isinstance(output, Done) and output.task_id == "free" for output in outputs)
