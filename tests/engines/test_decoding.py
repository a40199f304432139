"""The step of rows that decode together: it writes what mlx-lm's own step writes."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from mlx_lm.generate import GenerationBatch
from mlx_lm.models import activations

from config.settings import Settings
from mlxq.catalog import ModelRef
from tests.support.checkpoints import random_qwen3
from tests.support.steps import results
from worker.engines.llm import chat
from worker.engines.llm.cpu_layers import QuickRMSNorm, QuickRoPE, quicken, swiglu
from worker.engines.llm.rows import batch
from worker.engines.llm.rows.decoding import Decoding
from worker.engines.loading import load_language_model

PLACES = 8


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    return ModelRef("tiny", random_qwen3(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture
def engine(model: ModelRef) -> Iterator[chat.ChatEngine]:
    made = chat.load(model, Settings(batch_size=PLACES))
    yield made
    made.close()


def payload(text: str, **options: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"messages": messages, "max_tokens": 24, "ignore_eos": True, "temperature": 0, **options}


def run(engine: chat.ChatEngine, tasks: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The choices of each task."""
    return {task: result["choices"] for task, result in results(engine, tasks).items()}


GREEDY = {f"greedy {i}": payload(f"Story {i}.", max_tokens=8 * i) for i in range(1, 4)}
MIXED = {
    "sampled": payload("Tell me a story.", temperature=1, seed=3),
    "narrow": payload("Another one.", temperature=0.8, top_p=0.9, top_k=40, seed=4),
    "penalised": payload("Again and again.", repetition_penalty=1.3, frequency_penalty=0.5),
    "watched": payload("How likely?", logprobs=3),
    "biased": payload("Say A.", logit_bias={"65": 4.0}, temperature=1, seed=5),
}


def test_without_a_bound_the_context_ends_an_answer(tmp_path: Path) -> None:
    folder = random_qwen3(tmp_path / "short", context=64)
    (folder / "generation_config.json").write_text('{"max_new_tokens": 5}')
    engine = chat.load(ModelRef("short", folder), Settings())
    tasks = {"usual": payload("Hi", max_tokens=None), "no bound": payload("Hi", max_tokens=-1)}
    usages = {task: result["usage"] for task, result in results(engine, tasks).items()}
    engine.close()
    assert usages["usual"]["completion_tokens"] == 5
    assert usages["no bound"]["prompt_tokens"] + usages["no bound"]["completion_tokens"] == 64


@pytest.mark.parametrize("tasks", [GREEDY, MIXED, GREEDY | MIXED], ids=["greedy", "mixed", "both"])
def test_it_writes_what_mlx_lm_writes(
    engine: chat.ChatEngine, model: ModelRef, monkeypatch: pytest.MonkeyPatch, tasks: dict[str, Any]
) -> None:
    monkeypatch.setattr(batch, "Decoding", GenerationBatch)
    theirs = chat.load(model, Settings(batch_size=PLACES))
    assert type(decoding(engine)) is Decoding
    assert type(decoding(theirs)) is GenerationBatch
    assert run(engine, tasks) == run(theirs, tasks)
    theirs.close()


@pytest.mark.parametrize("temperature", [0, 1])
def test_the_best_of_several_is_the_likeliest(engine: chat.ChatEngine, temperature: float) -> None:
    """Sequences are chosen by log-probabilities that no step has evaluated."""
    task = {"prompts": ["hello"], "max_tokens": 8, "ignore_eos": True, "temperature": temperature, "seed": 3}
    told = run(engine, {"all": {**task, "n": 4, "logprobs": 0}})["all"]
    best = max(told, key=lambda choice: sum(entry["logprob"] for entry in choice["logprobs"]))
    assert run(engine, {"best": {**task, "best_of": 4}})["best"][0]["text"] == best["text"]


@pytest.mark.parametrize(("dtype", "error"), [(mx.float32, 1e-5), (mx.bfloat16, 0.0)])
@pytest.mark.parametrize("shape", [(100_001,), (1, 100_001), (3, 1, 33_333)], ids=["plain", "prompt", "rows"])
def test_the_cpus_swiglu_is_that_of_mlx_lm(dtype: mx.Dtype, error: float, shape: tuple[int, ...]) -> None:
    gate = mx.linspace(-30, 30, math.prod(shape)).reshape(shape).astype(dtype)
    x = mx.ones_like(gate)
    assert float(mx.abs(swiglu(gate, x) - activations.swiglu(gate, x)).max()) <= error


@pytest.mark.parametrize("rows", [1, 3, 65])
@pytest.mark.parametrize("tokens", [1, 5])
def test_the_cpus_layers_compute_what_mlxs_do(rows: int, tokens: int) -> None:
    """Rows that decode and prompts alike, to the last bit."""
    model: Any = nn.Module()
    model.norm, model.rope = nn.RMSNorm(64), nn.RoPE(32, traditional=False, base=100_000)
    hidden = mx.random.normal((rows, tokens, 64), key=mx.random.key(1))
    heads = mx.random.normal((rows, 4, tokens, 32), key=mx.random.key(2))
    places = [mx.arange(rows) + 7, 7]
    expected = [model.norm(hidden), *(model.rope(heads, offset=place) for place in places)]
    quicken(model)
    found = [model.norm(hidden), *(model.rope(heads, offset=place) for place in places)]
    assert all(mx.array_equal(*pair) for pair in zip(found, expected, strict=True))


@pytest.mark.skipif(mx.default_device() != mx.Device(mx.cpu), reason="a GPU has kernels for them")
def test_a_model_on_a_cpu_has_these_layers(model: ModelRef) -> None:
    layers = {type(layer) for layer in load_language_model(model).model.modules()}
    assert {QuickRMSNorm, QuickRoPE} <= layers
    assert not {nn.RMSNorm, nn.RoPE} & layers


def decoding(engine: chat.ChatEngine) -> Any:
    """The rows of an engine that decode."""
    assert isinstance(engine._batch, batch.Batch)
    return engine._batch._generator._generation_batch
