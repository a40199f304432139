"""Each family of language models, from its files to its answers: mlx-lm's own, word for word."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import mlx_lm
import pytest

from tests.support.family_checkpoints import FAMILIES, family_checkpoint
from tests.support.system import System
from worker.engines.llm.models import provide

pytestmark = pytest.mark.filterwarnings("ignore:`rope_scaling` is deprecated:FutureWarning")

#: bits per weight of the quantised models
QUANTISED = {"qwen3": 4, "minicpm-sala": 8}
PROMPTS = ["hi", "What is the capital of France?", "x" * 40]
TOKENS = 24


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model root with one model of each family, named like it, in the folder of an organisation."""
    root = tmp_path_factory.mktemp("families")
    for name in FAMILIES:
        family_checkpoint(root / "org" / name, name, seed=7)
    provide("minicpm_sala")
    for name, bits in QUANTISED.items():
        source, target = str(root / "org" / name), str(root / "org" / f"{name}-{bits}bit")
        mlx_lm.convert(source, target, quantize=True, q_group_size=32, q_bits=bits)
    return root


@pytest.fixture(scope="module")
def system(families: Path) -> Iterator[System]:
    running = System(families, "org/qwen3").start()
    yield running
    running.stop()


def mlx_lm_says(folder: Path) -> list[tuple[str, int]]:
    """mlx_lm.generate's text for each prompt, greedily, and how many tokens it has."""
    model, tokenizer = mlx_lm.load(str(folder), tokenizer_config={"trust_remote_code": False})[:2]
    answers = []
    for prompt in PROMPTS:
        messages = [{"role": "user", "content": prompt}]
        tokens = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
        *_, last = mlx_lm.stream_generate(model, tokenizer, tokens, max_tokens=TOKENS)
        text = mlx_lm.generate(model, tokenizer, tokens, max_tokens=TOKENS)
        answers.append((text, last.generation_tokens))
    return answers


def ask(http: httpx.Client, model: str, prompt: str) -> tuple[str, int]:
    messages = [{"role": "user", "content": prompt}]
    body = {"model": model, "messages": messages, "temperature": 0, "max_tokens": TOKENS}
    answer: Any = http.post("/v1/chat/completions", json=body).raise_for_status().json()
    return answer["choices"][0]["message"]["content"], answer["usage"]["completion_tokens"]


@pytest.mark.parametrize("name", [*FAMILIES, *(f"{name}-{bits}bit" for name, bits in QUANTISED.items())])
def test_a_family_answers_as_mlx_lm_does(system: System, families: Path, name: str) -> None:
    folder = families / "org" / name
    expected = mlx_lm_says(folder)
    assert len({text for text, _ in expected}) == len(PROMPTS), "the prompts must matter"
    assert [ask(system.http, f"org/{name}", prompt) for prompt in PROMPTS] == expected
    # By its path, and all prompts in one batch.
    with ThreadPoolExecutor(len(PROMPTS)) as pool:
        answers = list(pool.map(lambda prompt: ask(system.http, str(folder), prompt), PROMPTS))
    assert answers == expected
    assert system.http.get("/v1/models/status").json()["models"]["llm"] == f"org/{name}"
