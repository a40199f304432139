"""Long prompts are read beside the engine's thread while others decode; far too long ones are judged early."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from jobs.errors import ContextLengthExceeded
from mlxq.catalog import ModelRef
from tests.support.checkpoints import random_qwen3
from tests.support.payloads import typed
from tests.support.steps import result_of, until_ended
from worker.engines.base import Delta, Done, Failed
from worker.engines.llm.chat import ChatEngine, load
from worker.engines.llm.prompts import prompt as prompts

#: Characters that are long here, so that the tests are quick.
LONG = 200
CONTEXT = 4096


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_qwen3(tmp_path_factory.mktemp("long") / "model", seed=7, context=CONTEXT)


@pytest.fixture
def engine(model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatEngine]:
    monkeypatch.setattr(prompts, "LONG", LONG)
    made = load(ModelRef("model", model), Settings())
    yield made
    made.close()


@pytest.fixture
def gate(engine: ChatEngine, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """While it is not set, no prompt is tokenised beside the engine's thread."""
    opened = threading.Event()
    owner, encode = threading.current_thread(), engine._reader._encode

    def held(text: str, **options: Any) -> list[int]:
        if threading.current_thread() is not owner:
            assert opened.wait(60)
        return encode(text, **options)

    monkeypatch.setattr(engine._reader, "_encode", held)
    return opened


def chat(text: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 4, **fields}


def test_others_decode_while_a_long_prompt_is_read(engine: ChatEngine, gate: threading.Event) -> None:
    engine.add("long", typed(chat("x" * (LONG + 1))), 1)
    engine.add("short", typed(chat("hi", max_tokens=12)), 1)
    outputs = until_ended(engine, "short")
    assert "long" not in outputs
    gate.set()
    done = until_ended(engine, "long")["long"]
    assert result_of(done)["usage"]["prompt_tokens"] > LONG


def test_one_that_is_cancelled_while_it_is_read_never_begins(
    engine: ChatEngine, gate: threading.Event
) -> None:
    engine.add("gone", typed(chat("x" * (LONG + 1))), 1)
    engine.add("stays", typed(chat("y" * (LONG + 1))), 1)
    engine.remove("gone")
    gate.set()
    seen: set[str] = set()
    while "stays" not in seen:
        for output in engine.step():
            assert output.task_id == "stays"
            if isinstance(output, Done | Delta):
                seen.add(output.task_id)


def test_a_long_prompt_is_answered_as_a_short_one_is(
    engine: ChatEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same tokens, whichever thread reads it."""
    payload = chat("word " * 80)
    assert engine._reader.is_long(typed(payload))
    engine.add("long", typed(payload), 1)
    long = until_ended(engine, "long")["long"]
    monkeypatch.setattr(prompts, "LONG", 10**6)
    engine.add("short", typed(payload), 1)
    short = until_ended(engine, "short")["short"]
    assert result_of(long)["choices"] == result_of(short)["choices"]


@pytest.mark.parametrize("payload", [chat("x" * 4_000_000), {"prompts": ["x" * 4_000_000], "max_tokens": 1}])
def test_what_is_far_too_long_is_judged_by_its_beginning(
    engine: ChatEngine, monkeypatch: pytest.MonkeyPatch, payload: dict[str, Any]
) -> None:
    read: list[int] = []
    encode = engine._reader._encode

    def counted(text: str, **options: Any) -> list[int]:
        read.append(len(text))
        return encode(text, **options)

    monkeypatch.setattr(engine._reader, "_encode", counted)
    engine.add("huge", typed(payload), 1)
    failed = until_ended(engine, "huge")["huge"]
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ContextLengthExceeded)
    noun = "messages have" if "messages" in payload else "prompt has"
    assert f"maximum context length is {CONTEXT} tokens, but the {noun} more than" in failed.error.message
    found = re.search(r"prompt is too long: (\d+) tokens > (\d+) maximum", failed.error.message)
    assert found is not None
    assert int(found[1]) > int(found[2]) == CONTEXT - 1
    assert sum(read) <= 4 * CONTEXT


def test_what_has_few_tokens_for_its_length_is_read_to_its_end(engine: ChatEngine) -> None:
    """Texts with more characters per token than is usual are not refused for it."""
    marks = "<|endoftext|>" * (CONTEXT // 2)
    assert len(marks) > 4 * CONTEXT
    [prompt] = engine._reader.read(typed({"prompts": [marks]}))
    assert len(prompt.tokens) == CONTEXT // 2
