"""A worker whose limit of open files is low, as a shell's `ulimit -n` or a service's settings make it."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkpoints import random_qwen3

LOADS = """
import resource, sys
from config.settings import Settings
from mlxq.catalog import ModelRef
from pathlib import Path
from worker.engines import ENGINES
from jobs.kinds import Category
before = resource.getrlimit(resource.RLIMIT_NOFILE)
folder = Path(sys.argv[1])
engine = ENGINES[Category.LLM](ModelRef(folder.name, folder), Settings(model_roots=str(folder.parent)))
engine.close()
assert resource.getrlimit(resource.RLIMIT_NOFILE) == before, "a library has changed the limit"
"""


@pytest.mark.parametrize("hard", [256, 2048])
def test_models_load_where_the_hard_limit_is_low(hard: int, tmp_path: Path) -> None:
    folder = random_qwen3(tmp_path / "tiny")
    done = subprocess.run(
        [sys.executable, "-c", LOADS, str(folder)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
