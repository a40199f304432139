"""One at a time: with a draft model, and for models whose caches can't be batched, the text is the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from jobs.errors import InvalidRequest, ModelNotFound
from mlxq.catalog import ModelRef
from tests.support.checkpoints import random_qwen3
from tests.support.payloads import typed
from tests.support.steps import results
from worker.engines.llm import chat

TEXTS = ["hello", "x" * 700, "what?"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "main", seed=1)
    random_qwen3(root / "draft", seed=2)
    return root


@pytest.fixture
def make(root: Path) -> Callable[..., chat.ChatEngine]:
    def make(**settings: Any) -> chat.ChatEngine:
        options: dict[str, Any] = {"MODEL_ROOTS": str(root), "AUTO_DOWNLOAD": "0", **settings}
        return chat.load(ModelRef("main", root / "main"), Settings(**options))

    return make


def payload(text: str, **options: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"messages": messages, "max_tokens": 20, "temperature": 0, "ignore_eos": True, **options}


def answers(engine: chat.ChatEngine, *tasks: dict[str, Any]) -> list[dict[str, Any]]:
    """The results of tasks that are in hand at the same time."""
    return list(results(engine, {str(number): task for number, task in enumerate(tasks)}).values())


def texts(results: list[dict[str, Any]]) -> list[str]:
    return [result["choices"][0]["text"] for result in results]


def test_a_draft_model_changes_no_word_and_says_how_much_it_guessed(
    make: Callable[..., chat.ChatEngine],
) -> None:
    alone = answers(make(), *map(payload, TEXTS))
    engine = make()
    by_other = answers(engine, *[payload(text, draft_model="draft") for text in TEXTS])
    by_itself = answers(engine, *[payload(text, draft_model="main") for text in TEXTS])
    assert texts(by_other) == texts(by_itself) == texts(alone)
    # A model that drafts for itself is always right: three of four tokens are drafted.
    assert [result["usage"]["accepted_prediction_tokens"] for result in by_itself] == [15, 15, 15]
    assert all("accepted_prediction_tokens" not in result["usage"] for result in alone)


def test_drafted_and_batched_requests_run_side_by_side(make: Callable[..., chat.ChatEngine]) -> None:
    alone = answers(make(), *map(payload, TEXTS))
    mixed = answers(make(), payload(TEXTS[0], draft_model="draft"), payload(TEXTS[1]), payload(TEXTS[2]))
    assert texts(mixed) == texts(alone)


def test_the_servers_own_draft_model_is_used_and_structure_goes_without(
    make: Callable[..., chat.ChatEngine],
) -> None:
    engine = make(DRAFT_MODEL="main")
    [plain] = answers(engine, payload("hello"))
    assert plain["usage"]["accepted_prediction_tokens"] == 15
    [structured] = answers(engine, payload("hello", grammar={"json_schema": {"enum": ["yes", "no"]}}))
    assert structured["choices"][0]["text"] in ('"yes"', '"no"')
    assert "accepted_prediction_tokens" not in structured["usage"]


def test_a_drafted_prompt_is_remembered(make: Callable[..., chat.ChatEngine]) -> None:
    engine = make()
    [first] = answers(engine, payload("x" * 700, draft_model="draft"))
    [second] = answers(engine, payload("x" * 700, draft_model="draft"))
    [third] = answers(engine, payload("x" * 700))
    assert (first["usage"]["cached_tokens"], texts([second, third])) == (0, texts([first, first]))
    assert second["usage"]["cached_tokens"] == second["usage"]["prompt_tokens"] - 1
    assert third["usage"]["cached_tokens"] == third["usage"]["prompt_tokens"] - 1


def test_a_draft_model_that_can_not_draft_is_refused(make: Callable[..., chat.ChatEngine]) -> None:
    engine = make()
    with pytest.raises(ModelNotFound):
        engine.add("a", typed(payload("hi", draft_model="no/such")), seed=1)
    with pytest.raises(InvalidRequest) as refused:
        engine.add("b", typed(payload("hi", draft_model="draft", grammar={"json_schema": {}})), seed=1)
    assert refused.value.param == "draft_model"
    assert len(answers(engine, payload("hi"))) == 1


def test_a_model_that_can_not_be_batched_answers_one_at_a_time(
    make: Callable[..., chat.ChatEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    batched = answers(make(), *map(payload, TEXTS), payload("dice", temperature=1, seed=3, n=2))
    monkeypatch.setattr(chat, "_can_batch", lambda model: False)
    engine = make()
    solo = answers(engine, *map(payload, TEXTS), payload("dice", temperature=1, seed=3, n=2))
    assert [result["choices"] for result in solo] == [result["choices"] for result in batched]
    engine.add("gone", typed(payload("hello", max_tokens=1000)), seed=1)
    engine.step()
    engine.remove("gone")
    assert texts(answers(engine, payload("hello"))) == texts(batched[:1])
