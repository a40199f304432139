"""Conversations that are longer than a model's context, when the oldest messages may be left out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from jobs.errors import ContextLengthExceeded
from mlxq.catalog import ModelRef
from tests.support.checkpoints import random_qwen3
from tests.support.payloads import typed
from worker.engines.llm.chat import ChatEngine, load
from worker.engines.llm.prompts.truncation import cut_off, cuts

CONTEXT = 256


def said(role: str, content: str = "x") -> dict[str, Any]:
    return {"role": role, "content": content}


def test_a_result_never_loses_its_call() -> None:
    system, user, call, result = (said(role) for role in ("system", "user", "assistant", "tool"))
    messages = [system, user, call, result, result, system, user]
    assert cuts(messages) == [2, 6]
    assert cut_off(messages, 2) == [system, call, result, result, system, user]
    assert cut_off(messages, 6) == [system, system, user]
    assert cuts([system, user]) == []
    assert cuts([]) == []


def test_long_conversations_are_cut_in_pieces() -> None:
    turns = [said(role) for role in ("user", "assistant")] * 50
    places = cuts(turns)
    assert places[:2] == [8, 16]
    assert places[-1] == 99
    # The next turn finds the same places: what was read behind them is in the prompt cache.
    assert set(places[:-1]) <= set(cuts([*turns, said("user"), said("assistant")]))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[ChatEngine]:
    made = load(ModelRef("model", random_qwen3(tmp_path / "model", context=CONTEXT)), Settings())
    yield made
    made.close()


def asked(*messages: dict[str, Any], **fields: Any) -> Any:
    return typed({"messages": list(messages), "max_tokens": 40, **fields})


def test_the_newest_messages_that_fit_are_read(engine: ChatEngine) -> None:
    """A letter is a token of this model, and a message has a few more."""
    system = said("system", "s" * 20)
    turns = [said(role, f"{number:02}" * 5) for number, role in enumerate(("user", "assistant") * 10)]
    messages = [system, *turns[:-1]]
    with pytest.raises(ContextLengthExceeded):
        engine._reader.read(asked(*messages))
    (prompt,) = engine._reader.read(asked(*messages, truncate=True))
    text = engine._language.tokenizer.decode(prompt.tokens)
    assert "s" * 20 in text
    assert "18" * 5 in text
    assert "00" * 5 not in text
    assert CONTEXT / 2 < len(prompt.tokens) <= CONTEXT - 40
    assert engine._reader.read(asked(system, turns[0], truncate=True)) == engine._reader.read(
        asked(system, turns[0])
    )


def test_a_last_message_that_is_too_long_alone_is_refused(engine: ChatEngine) -> None:
    with pytest.raises(ContextLengthExceeded, match="prompt is too long"):
        engine._reader.read(asked(said("user"), said("assistant"), said("user", "x" * 300), truncate=True))
