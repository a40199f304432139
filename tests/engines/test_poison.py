"""One request's sampler or processor raises in mid-batch: it fails, its neighbours say what they would have said."""

from typing import Any

import mlx.core as mx
import pytest

from config.settings import Settings
from jobs.errors import InvalidRequest
from mlxq.catalog import ModelRef
from tests.support.checkpoints import random_qwen3
from tests.support.payloads import typed
from tests.support.steps import result_of, until_ended
from worker.engines.base import Failed
from worker.engines.llm import chat
from worker.engines.llm.answers import answers


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    return ModelRef("tiny", random_qwen3(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture
def engine(model: ModelRef) -> chat.ChatEngine:
    return chat.load(model, Settings())


def payload(text: str, **options: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"messages": messages, "max_tokens": 12, "ignore_eos": True, "temperature": 0, **options}


def run(engine: chat.ChatEngine, tasks: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """How each task ended: its choices, or its failure."""
    for task_id, task in tasks.items():
        engine.add(task_id, typed(task), seed=1)
    ended = until_ended(engine, *tasks)
    return {
        task: end if isinstance(end, Failed) else result_of(end)["choices"] for task, end in ended.items()
    }


@pytest.mark.parametrize("part", ["make_sampler", "make_processors"])
def test_a_poisoned_request_fails_alone(
    engine: chat.ChatEngine, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    neighbours = {f"n{i}": payload(f"neighbour {i}") for i in range(3)}
    alone = run(engine, neighbours)
    module = chat if part == "make_sampler" else answers
    made = getattr(module, part)
    calls = 0

    def explode(*arrays: mx.array) -> mx.array:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise RuntimeError("boom")
        return arrays[-1] if part == "make_processors" else mx.argmax(arrays[0], axis=-1)

    def poisoned(first: Any, *rest: Any) -> Any:
        if first.seed != 99:
            return made(first, *rest)
        return [explode] if part == "make_processors" else explode

    monkeypatch.setattr(module, part, poisoned)
    ends = run(engine, {**neighbours, "poison": payload("bad", seed=99)})

    failed = ends.pop("poison")
    assert isinstance(failed, Failed)
    assert failed.error.status == 500
    assert "boom" not in failed.error.message
    assert ends == alone
    assert run(engine, neighbours) == alone


@pytest.mark.parametrize("name", ["chat_template", "tokenize", "add_generation_prompt", "messages"])
def test_the_caller_does_not_render(engine: chat.ChatEngine, name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        engine.add("task", typed(payload("hi", chat_template_kwargs={name: "x"})), seed=1)
    assert refused.value.param == "chat_template_kwargs"


def test_a_bias_on_a_token_that_is_not_there_is_refused(engine: chat.ChatEngine) -> None:
    with pytest.raises(InvalidRequest) as refused:
        engine.add("task", typed(payload("hi", logit_bias={"100000": 1.0})), seed=1)
    assert refused.value.param == "logit_bias"
    assert run(engine, {"next": payload("hi")})
