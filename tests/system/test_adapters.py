"""LoRA adapters: named by a request, by a model's name, by the server's setting. With one, a model is another one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx_lm
import openai
import pytest

from tests.support.adapters import random_adapter
from tests.support.checkpoints import random_qwen3
from tests.support.system import System

MESSAGES: Any = [{"role": "user", "content": "Tell me a story."}]
GREEDY: Any = {"messages": MESSAGES, "temperature": 0, "max_tokens": 24}


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model root: `first`, its adapters `pirate` and `team/poet`, and what is no adapter of it."""
    root = tmp_path_factory.mktemp("adapted")
    first = random_qwen3(root / "first", seed=1)
    random_adapter(root / "pirate", first, seed=1)
    random_adapter(root / "team" / "poet", first, seed=2)
    outside = random_adapter(tmp_path_factory.mktemp("outside") / "secret", first)
    (root / "link").symlink_to(outside)
    (root / "empty").mkdir()
    (root / "half").mkdir()
    (root / "half" / "adapter_config.json").write_text("{}")
    misfit = random_adapter(root / "misfit", first)
    config = json.loads((misfit / "adapter_config.json").read_text())
    config["lora_parameters"]["rank"] = 8
    (misfit / "adapter_config.json").write_text(json.dumps(config))
    broken = random_adapter(root / "broken", first)
    (broken / "adapter_config.json").write_text("no JSON")
    return root


@pytest.fixture(scope="module")
def system(adapted: Path) -> Iterator[System]:
    running = System(adapted, "first+pirate").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def mlx_lm_says(adapted: Path) -> dict[str, str]:
    """mlx_lm's greedy text with each adapter, and without any."""
    texts = {}
    for adapter in ("", "pirate", "team/poet"):
        path = str(adapted / adapter) if adapter else None
        model, tokenizer = mlx_lm.load(str(adapted / "first"), adapter_path=path)[:2]
        tokens = tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True)
        text = mlx_lm.generate(model, tokenizer, tokens, max_tokens=GREEDY["max_tokens"])
        texts[adapter] = text
    return texts


def say(system: System, model: str, **body: Any) -> str:
    answer = system.http.post("/v1/chat/completions", json={"model": model, **GREEDY, **body})
    text: str = answer.raise_for_status().json()["choices"][0]["message"]["content"]
    return text


def loaded(system: System) -> str | None:
    model: str | None = system.http.get("/v1/models/status").json()["models"]["llm"]
    return model


def test_a_request_names_its_adapter(system: System, adapted: Path, mlx_lm_says: dict[str, str]) -> None:
    assert len(set(mlx_lm_says.values())) == 3
    for adapter in ("", "pirate", "team/poet", ""):
        options = {"adapters": adapter} if adapter else {}
        assert say(system, "first", **options) == mlx_lm_says[adapter]
        assert loaded(system) == (f"first+{adapter}" if adapter else "first")
    assert say(system, "first", adapters=str(adapted / "team" / "poet")) == mlx_lm_says["team/poet"]
    assert loaded(system) == "first+team/poet"


def test_a_model_with_its_adapter_has_a_name(system: System, mlx_lm_says: dict[str, str]) -> None:
    with system.openai() as client:
        answer = client.chat.completions.create(model="first+team/poet", **GREEDY)
        assert (answer.model, answer.choices[0].message.content) == (
            "first+team/poet",
            mlx_lm_says["team/poet"],
        )
        assert client.models.retrieve("first+team/poet").id == "first+team/poet"
        assert "first+team/poet" in [model.id for model in client.models.list()]
    changed = system.http.post("/v1/models/load", json={"model": "first+pirate"}).raise_for_status().json()
    assert changed["model"] == loaded(system) == "first+pirate"
    # A request's adapter takes the place of the name's.
    assert say(system, "first+pirate", adapters="team/poet") == mlx_lm_says["team/poet"]


def test_the_servers_own_model_may_have_an_adapter(system: System, mlx_lm_says: dict[str, str]) -> None:
    assert say(system, "default") == mlx_lm_says["pirate"]
    assert loaded(system) == "first+pirate"
    assert say(system, "default", adapters="team/poet") == mlx_lm_says["team/poet"]


@pytest.mark.parametrize(
    "adapter",
    ["nobody", "../outside/secret", "link", "empty", "half", "first", "a" * 3000, "\0", "/etc", "~"],
)
def test_what_is_no_adapter_is_not_found(system: System, adapted: Path, adapter: str) -> None:
    answer = system.http.post("/v1/chat/completions", json={"model": "first", **GREEDY, "adapters": adapter})
    assert answer.status_code == 404, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("model_not_found", "adapters")
    assert str(adapted.parent) not in answer.text


@pytest.mark.parametrize("adapter", ["misfit", "broken"])
def test_an_adapter_that_does_not_fit_is_the_callers_mistake(
    system: System, adapted: Path, mlx_lm_says: dict[str, str], adapter: str
) -> None:
    with system.openai() as client, pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="first", **GREEDY, extra_body={"adapters": adapter})
    assert caught.value.param == "adapters"
    assert str(adapted) not in caught.value.message
    assert say(system, "first") == mlx_lm_says[""]


@pytest.mark.parametrize("name", ["first+nobody", "nobody+pirate", "first+", "+pirate", "first+pirate+poet"])
def test_half_a_name_is_no_name(system: System, name: str) -> None:
    answer = system.http.post("/v1/chat/completions", json={"model": name, **GREEDY})
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "model")
    assert system.http.get(f"/v1/models/{name}").status_code == 404
