"""A prompt whose reading was cut short is not read again: what had been read is in the prompt cache."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models import qwen3

from config.settings import Settings
from mlxq.catalog import ModelRef
from tests.support.checkpoints import random_qwen3
from tests.support.payloads import typed
from tests.support.steps import results
from worker.engines.llm import chat
from worker.engines.llm.rows import reading, solo

#: Tokens of a prompt that are read in a step here.
STEP = 64
LONG = "".join(chr(97 + n * n % 26) for n in range(40 * STEP))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_qwen3(tmp_path_factory.mktemp("half") / "model", seed=5)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of tokens that the model has computed at once."""
    sizes: list[int] = []
    compute = qwen3.Model.__call__

    def counted(self: Any, tokens: mx.array, *args: Any, **options: Any) -> Any:
        sizes.append(tokens.shape[1])
        return compute(self, tokens, *args, **options)

    monkeypatch.setattr(qwen3.Model, "__call__", counted)
    return sizes


@pytest.fixture
def engine(
    model: Path, read: list[int], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[chat.ChatEngine]:
    monkeypatch.setattr(reading, "LARGEST", STEP)
    monkeypatch.setattr(solo, "PIECE", STEP)
    if getattr(request, "param", "batch") == "solo":
        monkeypatch.setattr(chat, "_can_batch", lambda model: False)
    made = chat.load(ModelRef("model", model), Settings())
    read.clear()
    yield made
    made.close()


def chat_of(text: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 4, **fields}


def answer(engine: chat.ChatEngine, payload: dict[str, Any]) -> dict[str, Any]:
    return results(engine, {"asked": payload})["asked"]


@pytest.mark.parametrize("engine", ["batch", "solo"], indirect=True)
def test_a_client_that_leaves_again_and_again_has_its_prompt_read_once(
    engine: chat.ChatEngine, read: list[int]
) -> None:
    for share in (0.1, 0.5, 0.9):
        engine.add("cut", typed(chat_of(LONG)), seed=1)
        while sum(read) < share * len(LONG):
            engine.step()
        engine.remove("cut")
    result = answer(engine, chat_of(LONG))
    prompt = result["usage"]["prompt_tokens"]
    assert result["usage"]["cached_tokens"] >= 0.9 * len(LONG)
    assert sum(size for size in read if size > 1) <= 1.05 * prompt
    fresh = answer(engine, chat_of(LONG))
    assert fresh["choices"] == result["choices"]


def test_a_cut_prompt_among_others_keeps_its_own_part(engine: chat.ChatEngine) -> None:
    alone = answer(engine, chat_of(LONG))["choices"]
    engine.clear_cache()
    engine.add("short", typed(chat_of("b" * 150, max_tokens=500, ignore_eos=True)), seed=1)
    engine.add("cut", typed(chat_of(LONG)), seed=1)
    engine.add("other", typed(chat_of("c" * 1000)), seed=1)
    for _ in range(40):
        engine.step()
    for task in ("cut", "other", "short"):
        engine.remove(task)
    again = answer(engine, chat_of(LONG))
    assert again["choices"] == alone
    assert again["usage"]["cached_tokens"] >= STEP


def test_choices_of_one_prompt_leave_it_once(engine: chat.ChatEngine) -> None:
    several = chat_of(LONG, n=4, temperature=1, max_tokens=50, ignore_eos=True)
    engine.add("several", typed(several), seed=1)
    while not engine.step():
        pass
    engine.remove("several")
    kept = engine.cache_bytes
    engine.clear_cache()
    one = answer(engine, chat_of(LONG, ignore_eos=True))
    assert one["usage"]["cached_tokens"] == 0
    assert kept < 1.1 * engine.cache_bytes


def test_a_prompt_that_nobody_has_begun_to_read_leaves_nothing(engine: chat.ChatEngine) -> None:
    engine.add("early", typed(chat_of("b" * 100)), seed=1)
    engine.remove("early")
    assert engine.cache_bytes == 0
