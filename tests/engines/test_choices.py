"""One request, several answers: the prompt is read once, each answer draws on its own."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from config.settings import Settings
from mlxq.catalog import Catalog, ModelRef
from tests.support.checkpoints import random_qwen3
from tests.support.events import plain
from tests.support.payloads import typed
from worker.engines.base import Delta, Done
from worker.engines.llm import chat
from worker.engines.loading import load_language_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_qwen3(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def engine(folder: Path) -> chat.ChatEngine:
    return chat.load(ModelRef("tiny", folder), Settings())


def payload(text: str = "hello", **options: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 8, "ignore_eos": True, **options}


def answer(engine: chat.ChatEngine, task: dict[str, Any]) -> tuple[dict[str, Any], dict[int, str]]:
    """The result of a task, and the text of its deltas by choice."""
    engine.add("task", typed(task), seed=1)
    texts: dict[int, str] = {}
    while True:
        for output in engine.step():
            if isinstance(output, Delta):
                texts[output.index] = texts.get(output.index, "") + output.text
            if isinstance(output, Done):
                engine.tidy()
                return plain(output.result), texts


class Counting:
    """A model that counts the tokens it reads in pieces of more than one."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.read = 0

    def __call__(self, tokens: mx.array, *args: Any, **kwargs: Any) -> Any:
        if tokens.shape[1] > 1:
            self.read += tokens.size
        return self._model(tokens, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


@pytest.mark.parametrize("length", [1, 600, 1500])
def test_four_choices_and_one_prefill(folder: Path, length: int) -> None:
    language = load_language_model(ModelRef("tiny", folder))
    counting = Counting(language.model)
    engine = chat.ChatEngine(replace(language, model=counting), Settings(), Catalog(Settings()))
    result, texts = answer(engine, payload("x" * length, n=4, temperature=2, max_tokens=24, seed=5))
    choices = result["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3]
    assert len({choice["text"] for choice in choices}) == 4
    assert texts == {choice["index"]: choice["text"] for choice in choices}
    assert result["usage"]["completion_tokens"] == 96
    # All of the prompt but its last token, which each row reads for itself.
    assert counting.read == result["usage"]["prompt_tokens"] - 1


def test_the_first_of_several_choices_is_the_only_one_of_one(engine: chat.ChatEngine) -> None:
    alone, _ = answer(engine, payload(temperature=1, seed=9))
    among, _ = answer(engine, payload(temperature=1, seed=9, n=3))
    again, _ = answer(engine, payload(temperature=1, seed=9, n=3))
    assert among["choices"][0] == alone["choices"][0]
    assert among["choices"] == again["choices"]


def test_greedy_choices_are_all_the_greedy_one(engine: chat.ChatEngine) -> None:
    alone, _ = answer(engine, payload(temperature=0))
    among, _ = answer(engine, payload("hello", temperature=0, n=8))
    assert {choice["text"] for choice in among["choices"]} == {alone["choices"][0]["text"]}


def test_several_choices_leave_together(engine: chat.ChatEngine) -> None:
    engine.add("gone", typed(payload("x" * 1500, n=4, max_tokens=100)), seed=1)
    engine.step()
    engine.remove("gone")
    result, _ = answer(engine, payload(temperature=0))
    assert len(result["choices"]) == 1
    assert engine.step() == []


def test_the_best_of_several_are_the_likeliest(engine: chat.ChatEngine) -> None:
    task = {"prompts": ["hello"], "max_tokens": 8, "ignore_eos": True, "temperature": 1, "seed": 3}
    all_of_them, _ = answer(engine, {**task, "n": 6, "logprobs": 0})
    best, told = answer(engine, {**task, "n": 2, "best_of": 6})

    def likelihood(choice: dict[str, Any]) -> float:
        return -float(sum(entry["logprob"] for entry in choice["logprobs"]))

    ranked = sorted(all_of_them["choices"], key=likelihood)
    assert [choice["text"] for choice in best["choices"]] == [choice["text"] for choice in ranked[:2]]
    assert [choice["index"] for choice in best["choices"]] == [0, 1]
    assert told == {}
    assert best["usage"]["completion_tokens"] == 48


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux lists what is loaded")
def test_new_numbers_of_sampling_need_no_new_kernels(engine: chat.ChatEngine) -> None:
    """MLX compiles kernels for numbers in compiled functions: each takes a second of all rows, and stays."""

    def kernels() -> set[str]:
        lines = Path("/proc/self/maps").read_text().splitlines()
        return {line.split()[-1] for line in lines if "/mlx/" in line and line.endswith(".so")}

    def sample(top_p: float, min_p: float) -> None:
        answer(engine, payload(temperature=1, top_p=top_p, min_p=min_p, top_k=int(100 * top_p)))

    sample(0.9, 0.1)
    before = kernels()
    for step in range(1, 4):
        sample(0.9 - step / 70, 0.1 + step / 70)
    assert kernels() == before
