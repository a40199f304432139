"""Models come and go: by name, by path, on demand; and an unloaded one gives its memory back."""

import json
from pathlib import Path
from typing import Any

import openai
import pytest
import redis

from tests.support.checkpoints import random_qwen3
from tests.support.system import System

HELLO: Any = [{"role": "user", "content": "hello"}]


def load(system: System, **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = system.http.post("/v1/models/load", json=body).raise_for_status().json()
    return answer


def loaded(system: System) -> str | None:
    model: str | None = system.http.get("/v1/models/status").json()["models"]["llm"]
    return model


def active_memory(system: System) -> int:
    """Bytes that MLX holds, as the worker says."""
    with redis.Redis.from_url(system.redis.url) as connection:
        names: Any = connection.smembers("mlxq:workers")
        states: Any = connection.mget([f"mlxq:worker:{name.decode()}" for name in names])
    (state,) = [json.loads(state) for state in states if state]
    return int(state["memory"]["active"])


def test_a_model_is_loaded_switched_and_unloaded(system: System, models: Path) -> None:
    assert load(system, model="first", model_type="llm")["model"] == "first"
    assert loaded(system) == "first"
    answer = load(system, model="org/second")
    assert (answer["status"], answer["model"], answer["model_type"]) == ("loaded", "org/second", "llm")
    assert loaded(system) == "org/second"
    with_model = active_memory(system)
    weights = (models / "org" / "second" / "model.safetensors").stat().st_size
    assert with_model > 0.9 * weights

    system.http.post("/v1/models/unload", json={"model_type": "llm"}).raise_for_status()
    assert loaded(system) is None
    assert active_memory(system) < with_model - 0.9 * weights


def test_a_local_path_below_the_roots_is_a_model_name(system: System, models: Path) -> None:
    client = system.openai()
    for name in (str(models / "org" / "second"), "org/second", "second"):
        answer = client.chat.completions.create(model=name, messages=HELLO, max_tokens=3)
        assert answer.model == name
        assert loaded(system) == "org/second"


@pytest.mark.parametrize("name", ["outside", "../outside", "first/../../outside", "link"])
def test_nothing_outside_the_roots_is_ever_loaded(system: System, models: Path, name: str) -> None:
    outside = models.parent / "outside"
    if not outside.exists():
        random_qwen3(outside)
        (models / "link").symlink_to(outside)
    path = str(models / name) if name != "outside" else str(outside)
    for asked in (path, name):
        with pytest.raises(openai.NotFoundError) as refused:
            system.openai().chat.completions.create(model=asked, messages=HELLO)
        assert refused.value.code == "model_not_found"


def test_a_model_that_is_put_there_while_the_server_runs_is_found(system: System, models: Path) -> None:
    random_qwen3(models / "newcomer", seed=9)
    client = system.openai()
    system.wait_until(
        lambda: "newcomer" in [model.id for model in client.models.list().data], "it is not listed"
    )
    answer = client.chat.completions.create(model="newcomer", messages=HELLO, max_tokens=3)
    assert answer.choices[0].finish_reason == "length"
    assert client.models.retrieve("org/second").id == "org/second"


def test_a_broken_checkpoint_is_an_error_and_the_next_model_loads(system: System, models: Path) -> None:
    folder = random_qwen3(models / "broken", seed=4)
    (folder / "model.safetensors").write_bytes(b"not a checkpoint")
    client = system.openai()
    with pytest.raises(openai.BadRequestError, match="not whole") as failed:
        client.chat.completions.create(model="broken", messages=HELLO)
    assert failed.value.code == "unsupported_model"
    assert "broken" in str(failed.value)
    assert str(models) not in str(failed.value)
    assert client.chat.completions.create(model="first", messages=HELLO, max_tokens=3)
