"""One running system for the stories that leave it whole, and a way to start others that may be broken."""

from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest

from tests.support.checkpoints import random_qwen3
from tests.support.system import System


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model root: two random-weight models, `first` and `org/second`, and one with a small context."""
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "first", seed=1)
    random_qwen3(root / "org" / "second", seed=2)
    random_qwen3(root / "short", seed=3, context=64)
    return root


@pytest.fixture(scope="session")
def system(models: Path) -> Iterator[System]:
    running = System(models, "first").start()
    yield running
    running.stop()


@pytest.fixture
def make_system(models: Path) -> Iterator[Callable[..., System]]:
    """A system of the test's own, with its own settings."""
    made: list[System] = []

    def make(**settings: object) -> System:
        made.append(System(models, "first", **settings))
        return made[-1].start()

    yield make
    for running in made:
        running.stop()


@pytest.fixture
def client(system: System) -> openai.OpenAI:
    return system.openai()
