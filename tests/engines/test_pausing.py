"""Tasks that nobody waits for now: their prompts are read, a little is decoded, and then they stand still."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from mlxq.catalog import ModelRef
from tests.support.checkpoints import random_qwen3
from tests.support.events import plain
from tests.support.payloads import typed
from worker.engines.base import Delta, Done, Failed, Output
from worker.engines.llm import chat, paused

BUFFER = 5
CITY = {"type": "object", "properties": {"city": {"type": "string"}, "n": {"type": "integer"}}}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_qwen3(tmp_path_factory.mktemp("paused") / "model", seed=5)


@pytest.fixture
def engine(
    model: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[chat.ChatEngine]:
    monkeypatch.setattr(paused, "PAUSED_TOKENS", BUFFER)
    if getattr(request, "param", "batch") == "solo":
        monkeypatch.setattr(chat, "_can_batch", lambda model: False)
    made = chat.load(ModelRef("model", model), Settings())
    yield made
    made.close()


def asked(text: str = "Tell me a story.", **fields: Any) -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        "max_tokens": 24,
        "ignore_eos": True,
        **fields,
    }


class Told:
    """What an engine says, by tasks."""

    def __init__(self, engine: chat.ChatEngine) -> None:
        self.engine = engine
        self.results: dict[str, dict[str, Any]] = {}
        self.deltas: dict[str, int] = {}

    def step(self) -> list[Output]:
        outputs = self.engine.step()
        for output in outputs:
            assert not isinstance(output, Failed), output
            if isinstance(output, Done):
                self.results[output.task_id] = plain(output.result)
            elif isinstance(output, Delta):
                self.deltas[output.task_id] = self.deltas.get(output.task_id, 0) + 1
        self.engine.tidy()
        return outputs

    def until_done(self, *tasks: str) -> None:
        while not set(tasks) <= self.results.keys():
            self.step()

    def until_idle(self) -> None:
        while not self.engine.idle:
            self.step()


def choices(engine: chat.ChatEngine, payload: dict[str, Any]) -> Any:
    told = Told(engine)
    engine.add("whole", typed(payload), seed=7)
    told.until_done("whole")
    engine.clear_cache()
    return told.results["whole"]["choices"]


@pytest.mark.parametrize("engine", ["batch", "solo"], indirect=True)
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"temperature": 1.0, "seed": 3},
        {"n": 3, "temperature": 0.8, "seed": 4},
        {"grammar": {"json_schema": CITY}, "ignore_eos": None},
        {"logprobs": 2, "repetition_penalty": 1.3},
        {"max_tokens": BUFFER + 1},
    ],
    ids=["greedy", "seeded", "choices", "grammar", "logprobs", "last-token"],
)
def test_a_paused_task_goes_on_as_if_it_had_never_stood_still(
    engine: chat.ChatEngine, how: dict[str, Any]
) -> None:
    whole = choices(engine, asked(**how))
    told = Told(engine)
    engine.add("paused", typed(asked(**how)), seed=7)
    engine.pause("paused")
    told.until_idle()
    assert not told.results, "it made its whole answer while nobody waited for it"
    assert told.step() == [], "it stands still"
    engine.resume("paused")
    assert not engine.idle
    told.until_done("paused")
    assert told.results["paused"]["choices"] == whole


def test_others_go_on_beside_a_paused_task(engine: chat.ChatEngine) -> None:
    whole = choices(engine, asked("Another one."))
    told = Told(engine)
    engine.add("paused", typed(asked()), seed=1)
    engine.pause("paused")
    engine.add("other", typed(asked("Another one.")), seed=7)
    told.until_done("other")
    told.until_idle()
    assert told.deltas["paused"] <= BUFFER
    assert told.results["other"]["choices"] == whole


def test_a_task_is_paused_and_goes_on_again_and_again(engine: chat.ChatEngine) -> None:
    whole = choices(engine, asked())
    told = Told(engine)
    engine.add("paused", typed(asked()), seed=7)
    for _ in range(3):
        engine.pause("paused")
        told.until_idle()
        engine.resume("paused")
        told.step()
    told.until_done("paused")
    assert told.results["paused"]["choices"] == whole


@pytest.mark.parametrize("engine", ["batch", "solo"], indirect=True)
def test_what_a_paused_task_has_read_is_kept_when_it_ends(engine: chat.ChatEngine) -> None:
    told = Told(engine)
    engine.add("paused", typed(asked()), seed=1)
    engine.pause("paused")
    told.until_idle()
    engine.remove("paused")
    engine.add("again", typed(asked()), seed=1)
    told.until_done("again")
    usage = told.results["again"]["usage"]
    assert usage["cached_tokens"] == usage["prompt_tokens"] - 1


def test_a_short_answer_ends_while_its_task_is_paused(engine: chat.ChatEngine) -> None:
    told = Told(engine)
    engine.add("paused", typed(asked(max_tokens=BUFFER)), seed=1)
    engine.pause("paused")
    told.until_done("paused")
    engine.resume("paused")
    assert told.step() == []
