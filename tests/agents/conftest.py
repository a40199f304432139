"""A system whose model acts, and a place for an agent to work in."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents.actor import actor
from tests.agents.agents import FOLDER, Place
from tests.agents.held_system import HeldSystem


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("agents")
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the model writes into."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="session")
def the_system(tmp_path_factory: pytest.TempPathFactory, work: Path) -> Iterator[HeldSystem]:
    if not FOLDER.exists():
        if os.environ.get("CI"):
            pytest.fail("CI runs the agents: make .venv/agents.stamp")
        pytest.skip("no agents: make .venv/agents.stamp")
    folder = tmp_path_factory.mktemp("system")
    actor(folder / "models" / "actor", work)
    running = HeldSystem(folder)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def system(the_system: HeldSystem) -> Iterator[HeldSystem]:
    """The system, with nothing of an earlier story in it."""
    the_system.tidy()
    yield the_system
    the_system.let_go()


@pytest.fixture
def place(system: HeldSystem, work: Path, tmp_path: Path) -> Place:
    for entry in work.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    home = tmp_path / "home"
    home.mkdir()
    return Place(home, work, system.url)
