"""The worker's settings name things that are not there: it does not start, or /health says what lacks."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from config.settings import Settings, load_settings
from mlxq.catalog.check import missing
from tests.support.checkpoints import random_qwen3
from tests.support.system import REPO, System


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "first", seed=1)
    (root / "empty").mkdir()
    return root


@pytest.fixture
def make(models: Path) -> "Callable[..., System]":
    return lambda **settings: System(models, "first", **settings)


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("LLM_MODEL", "nope", "no such model is installed, and names on a hub are such as org/name"),
        ("LLM_MODEL", "/nope", "there is no such folder"),
        ("LLM_MODEL", "{models}/empty", "the folder holds no model that is known"),
        ("IMAGE_MODEL", "bogus", "no such model is installed, and names on a hub are such as org/name"),
        ("ASR_MODEL_DIR", "/nope", "there is no such folder"),
        ("ZIMAGE_MODEL_DIR", "/nope", "there is no such folder"),
        ("DRAFT_MODEL", "nope", "no such model is installed, and no hub has one"),
        ("TTS_REF_AUDIO", "/nope.wav", "there is no such file"),
    ],
)
def test_what_nobody_but_the_user_can_mend_is_named(
    monkeypatch: pytest.MonkeyPatch, models: Path, variable: str, value: str, reason: str
) -> None:
    value = value.format(models=models)
    monkeypatch.setenv("LLM_MODEL", str(models / "first"))
    monkeypatch.setenv("MODEL_ROOTS", str(models))
    monkeypatch.setenv(variable, value)
    (found,) = missing(load_settings())
    assert found.final
    assert str(found) == f"{variable}={value!r} is wrong; {reason}"


@pytest.mark.parametrize(
    ("variable", "reason"),
    [
        ("MODEL_ROOTS", "there is no such folder"),
        ("VOICES_DIR", "there is no such folder"),
        ("USAGE_PRICES", "there is no such file"),
    ],
)
def test_what_may_still_come_is_named(
    monkeypatch: pytest.MonkeyPatch, models: Path, variable: str, reason: str
) -> None:
    monkeypatch.setenv("LLM_MODEL", str(models / "first"))
    monkeypatch.setenv("MODEL_ROOTS", str(models))
    monkeypatch.setenv(variable, f"{models},/nope" if variable == "MODEL_ROOTS" else "/nope")
    (found,) = missing(load_settings())
    assert not found.final
    assert str(found) == f"{variable}='/nope' is wrong; {reason}"


def test_it_stops_the_start_with_one_line(make: "Callable[..., System]") -> None:
    system = make(ASR_MODEL_DIR="/nope")
    try:
        system.redis.start()
        system.start_worker()
        assert system.worker is not None
        assert system.worker.wait(60) == 2
        (line,) = system.log.read_text().splitlines()
        assert line == "mlxq: ASR_MODEL_DIR='/nope' is wrong; there is no such folder"
    finally:
        system.stop()


def test_what_may_still_come_is_told_by_health_until_it_has_come(
    make: "Callable[..., System]", models: Path, tmp_path: Path
) -> None:
    plugged = tmp_path / "disk"
    roots = f"{models}:{plugged}"
    system = make(LLM_MODEL="org/absent", MODEL_ROOTS=roots)
    try:
        system.start()
        health = system.http.get("/health").json()
        assert health["status"] == "degraded"
        assert health["reason"] == (
            "LLM_MODEL: the model is not installed. MODEL_ROOTS: there is no such folder."
        )
        shutil.copytree(models / "first", plugged / "org" / "absent")
        system.http.post("/v1/models/load", json={"model": "org/absent"}).raise_for_status()
        assert system.http.get("/health").json()["reason"] == "MODEL_ROOTS: there is no such folder."
    finally:
        system.stop()


def test_a_model_that_does_not_load_is_told_by_health(make: "Callable[..., System]", models: Path) -> None:
    broken = random_qwen3(models / "broken", seed=3)
    (broken / "model.safetensors").write_bytes(b"no tensors")
    system = make(LLM_MODEL=str(broken))
    try:
        system.start()

        def told() -> bool:
            health = system.http.get("/health").json()
            assert str(models) not in str(health)
            reason = str(health.get("reason", ""))
            return health["status"] == "degraded" and reason.startswith("LLM_MODEL: The model 'broken'")

        system.wait_until(told, "health says nothing of the model that did not load")
    finally:
        system.stop()
        shutil.rmtree(broken)


def test_the_shipped_settings_are_whole() -> None:
    assert missing(Settings(llm_model=str(REPO / "models" / "tiny-chat"))) == []
