"""Models whose caches can't be trimmed: a conversation goes on from checkpoints, with the words of a cold start."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from mlxq.catalog import ModelRef
from tests.support.payloads import typed
from tests.support.stateful_checkpoints import FAMILIES, stateful_checkpoint
from tests.support.steps import results
from worker.engines.llm import chat

#: Longer than what is read in one go with other prompts.
SYSTEM = "".join(chr(97 + n * n % 26) for n in range(150))
QUESTION = "".join(chr(97 + n * n * n % 26) for n in range(150))


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stateful_checkpoint(tmp_path_factory.mktemp("stateful") / request.param, request.param, seed=3)


@pytest.fixture
def engine(folder: Path) -> Iterator[chat.ChatEngine]:
    made = chat.load(ModelRef("model", folder), Settings())
    yield made
    made.close()


def message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


FIRST = [message("system", SYSTEM), message("user", QUESTION)]


def answer(engine: chat.ChatEngine, messages: list[dict[str, str]]) -> dict[str, Any]:
    payload = {"messages": messages, "temperature": 0, "max_tokens": 16, "ignore_eos": True}
    return results(engine, {"asked": payload})["asked"]


def cold(engine: chat.ChatEngine, messages: list[dict[str, str]]) -> Any:
    """The choices that the model gives without its cache."""
    engine.clear_cache()
    result = answer(engine, messages)
    assert result["usage"]["cached_tokens"] == 0
    return result["choices"]


def unread(result: dict[str, Any]) -> int:
    usage = result["usage"]
    return int(usage["prompt_tokens"] - usage["cached_tokens"])


def test_a_turn_whose_history_lost_its_reasoning_goes_on_from_the_checkpoint(engine: chat.ChatEngine) -> None:
    answer(engine, FIRST)
    conversation = list(FIRST)
    warm = []
    for number in range(2):
        # What the model has thought is not part of the history.
        conversation += [
            message("assistant", f"It is {number}."),
            message("user", f"And {number}? {QUESTION}"),
        ]
        warm.append(answer(engine, conversation))
    for result in warm:
        assert unread(result) < len(QUESTION) + 80
    for number, result in enumerate(warm):
        assert cold(engine, conversation[: 4 + 2 * number]) == result["choices"]


def test_another_last_message_goes_on_after_the_one_before(engine: chat.ChatEngine) -> None:
    turns = [*FIRST, message("assistant", "Yes."), message("user", "One. " + QUESTION)]
    answer(engine, FIRST)
    answer(engine, turns)
    edited = [*turns[:-1], message("user", "Two. " + QUESTION)]
    result = answer(engine, edited)
    assert unread(result) < len(QUESTION) + 60
    assert cold(engine, edited) == result["choices"]


def test_another_conversation_goes_on_after_the_system_prompt(engine: chat.ChatEngine) -> None:
    answer(engine, FIRST)
    other = [FIRST[0], message("user", "x" + QUESTION)]
    result = answer(engine, other)
    assert result["usage"]["cached_tokens"] > len(SYSTEM)
    assert cold(engine, other) == result["choices"]


def test_a_cut_prompt_goes_on_where_it_was_cut(engine: chat.ChatEngine) -> None:
    expected = cold(engine, FIRST)
    engine.clear_cache()
    engine.add("cut", typed({"messages": FIRST, "temperature": 0, "max_tokens": 40}), seed=1)
    for _ in range(2):
        engine.step()
    engine.remove("cut")
    result = answer(engine, FIRST)
    assert result["usage"]["cached_tokens"] > 0
    assert result["choices"] == expected
