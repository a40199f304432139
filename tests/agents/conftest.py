"""A system whose model acts, and a place for an agent to work in."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.agents.actor import actor
from tests.agents.agents import FOLDER, Place
from tests.support.system import System

MakeSystem = Callable[..., System]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("agents")
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def make_system(tmp_path: Path, work: Path) -> Iterator[MakeSystem]:
    """A system whose model writes into the folder of this test."""
    if not FOLDER.exists():
        if os.environ.get("CI"):
            pytest.fail("CI runs the agents: make .venv/agents.stamp")
        pytest.skip("no agents: make .venv/agents.stamp")
    actor(tmp_path / "models" / "actor", work)
    made: list[System] = []

    def make(default: str = "actor", **settings: object) -> System:
        made.append(System(tmp_path / "models", default, **settings))
        return made[-1].start()

    yield make
    for running in made:
        running.stop()


@pytest.fixture
def place(tmp_path: Path, work: Path) -> Callable[[System], Place]:
    def at(system: System) -> Place:
        home = tmp_path / "home"
        home.mkdir()
        return Place(home, work, system.url)

    return at
