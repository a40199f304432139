"""Conversations that take turns on one model: each goes on from its own cache, and memory stays bounded."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from config.settings import Settings
from mlxq.catalog import ModelRef
from tests.support.checkpoints import random_qwen3
from tests.support.steps import results
from worker.engines.llm import chat

Make = Callable[..., chat.ChatEngine]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_qwen3(tmp_path_factory.mktemp("turns") / "model", seed=5)


@pytest.fixture
def make(model: Path) -> Iterator[Make]:
    engines: list[chat.ChatEngine] = []

    def make(**settings: Any) -> chat.ChatEngine:
        engines.append(chat.load(ModelRef("model", model), Settings(**settings)))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def take_turn(engine: chat.ChatEngine, history: list[dict[str, str]], question: str) -> tuple[int, int]:
    """Ask and put the answer into the history. Returns how many tokens the prompt had, and how many were cached."""
    history.append({"role": "user", "content": question})
    payload = {"messages": history, "temperature": 0, "max_tokens": 8, "ignore_eos": True}
    result = results(engine, {"turn": payload})["turn"]
    history.append({"role": "assistant", "content": result["choices"][0]["text"]})
    return result["usage"]["prompt_tokens"], result["usage"]["cached_tokens"]


def test_the_second_turn_of_each_of_several_conversations_is_cached(make: Make) -> None:
    engine = make()
    histories: list[list[dict[str, str]]] = [[] for _ in range(3)]
    first = [take_turn(engine, history, f"{n} " + "abc" * 250)[0] for n, history in enumerate(histories)]
    for length, history in zip(first, histories, strict=True):
        _, cached = take_turn(engine, history, "And then?")
        # A random model's answer may not become the same tokens again.
        assert length - 16 <= cached


def test_many_turns_of_many_conversations_take_bounded_memory(make: Make) -> None:
    engine = make()
    take_turn(engine, [], "a" * 200)
    limit = 4 * engine.cache_bytes
    engine = make(prompt_cache_mb=limit / 2**20)
    histories: list[list[dict[str, str]]] = [[] for _ in range(8)]
    held: list[int] = []
    cached: list[int] = []
    for turn in range(32):
        # Two of them at a time, which fit; each turn leaves an answer that is not quite what the history has.
        number = turn % 2 + 2 * (turn // 8)
        question = f"{number} " + "a" * (150 if not histories[number] else 8)
        cached.append(take_turn(engine, histories[number], question)[1])
        assert engine.cache_bytes <= limit
        held.append(mx.get_active_memory())
    # All but their first turns, with one or two exceptions: what is cheaper to read than another entry may go.
    assert sum(length > 100 for length in cached) >= 32 - len(histories) - 2
    assert max(held[16:]) <= max(held[:16]) + 0.1 * limit
