"""Sites for the stories of this folder."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.machines.site import Site
from tests.support.checkpoints import random_qwen3


@pytest.fixture(scope="package")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that stand-ins do not compute."""
    return random_qwen3(tmp_path_factory.mktemp("checkpoint") / "first", seed=1)


@pytest.fixture(scope="module")
def make_site(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Iterator[Callable[..., Site]]:
    """A site without machines, which ends with the module."""
    made: list[Site] = []

    def make(**settings: object) -> Site:
        made.append(Site(tmp_path_factory.mktemp("site"), checkpoint, **settings).__enter__())  # type: ignore[arg-type]
        return made[-1]

    yield make
    for site in made:
        site.stop()
