"""Prompts that were read once are not read again: after a crash, a restart of everything, a change of the model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxq.catalog.stored_prompts import folder_of_prompts
from tests.support.checkpoints import random_qwen3
from tests.support.system import System
from worker.engines.llm.prompt_cache.disk_pieces import BLOCK

pytestmark = pytest.mark.slow

LENGTH = 4500
LONG = "".join(chr(97 + n * n % 26) for n in range(LENGTH))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "first", seed=1, context=32768)
    random_qwen3(root / "org" / "second", seed=2, context=32768)
    return root


def body(content: str, model: str = "first") -> dict[str, Any]:
    messages = [{"role": "user", "content": content}]
    return {"model": model, "messages": messages, "max_tokens": 8, "temperature": 0}


def ask(system: System, content: str, model: str = "first") -> dict[str, Any]:
    answer: dict[str, Any] = (
        system.http.post("/v1/chat/completions", json=body(content, model)).raise_for_status().json()
    )
    return answer


def cached(answer: dict[str, Any]) -> int:
    tokens: int = answer["usage"]["prompt_tokens_details"]["cached_tokens"]
    return tokens


def text(answer: dict[str, Any]) -> str:
    said: str = answer["choices"][0]["message"]["content"]
    return said


def written(system: System) -> int:
    """Tokens of prompts that are on the disk. What was read may be written a while later."""
    return BLOCK * len([*folder_of_prompts(system.redis.data_dir).rglob("0*.safetensors")])


@pytest.mark.chaos
def test_a_worker_that_is_killed_in_mid_prefill_does_not_read_it_all_again(
    make_system: Callable[..., System],
) -> None:
    def submit(content: str, **fields: Any) -> str:
        headers = {"prefer": "respond-async"}
        asked = system.http.post("/v1/chat/completions", json={**body(content), **fields}, headers=headers)
        job: str = asked.raise_for_status().json()["id"]
        return job

    system = make_system()
    # Beside a chat that is being answered, a prompt is read in small pieces, as on a slower model.
    beside = submit("Hello", max_tokens=8000, ignore_eos=True)
    job = submit(LONG)

    def read() -> int:
        progress = system.job(job)["progress"]
        return progress["done"] if progress else 0

    half = LENGTH // 2
    system.wait_until(lambda: read() > half and written(system) >= half - BLOCK, "the prompt is not read")
    system.kill_worker()
    before = read()
    system.http.post(f"/v1/jobs/{beside}/cancel").raise_for_status()
    system.start_worker()
    ended = system.http.get(f"/v1/jobs/{job}?wait=55").json()
    assert ended["status"] == "completed", ended
    result = ended["result"]
    prompt = result["usage"]["prompt_tokens"]
    assert before + prompt - cached(result) <= 1.25 * prompt


def test_a_restart_and_a_change_of_the_model_keep_prompts(make_system: Callable[..., System]) -> None:
    long = LONG[:2500]
    system = make_system()
    first = ask(system, long)
    assert cached(first) == 0
    system.wait_until(lambda: written(system) >= len(long) - BLOCK, "the prompt is not written")
    system.http.post("/v1/models/first/unload").raise_for_status()
    ask(system, long, "org/second")
    assert cached(ask(system, long + "!")) > len(long) - 256
    system.stop_worker()
    system.kill_api()
    system.start_worker()
    system.start_api()
    system.wait_healthy()
    again = ask(system, long)
    assert cached(again) > len(long) - 256
    assert text(again) == text(first)
    assert system.http.delete("/v1/models/org/second").status_code == 200
    kept = [path.name for path in folder_of_prompts(system.redis.data_dir).iterdir()]
    assert [name.startswith("first") for name in kept] == [True]
