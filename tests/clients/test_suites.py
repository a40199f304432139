"""Libraries that people use with OpenAI's API, each driven as its users drive it, in an environment of its own.

The stories are told in `suites/`; what they need is locked in requirements-clients.lock.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.system import REPO, System

SUITES = Path(__file__).parent / "suites"
PYTHON = REPO / ".venv" / "clients" / "bin" / "python"


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of the clients' environment. `make test` builds it; whoever runs pytest alone may lack it."""
    if not PYTHON.exists():
        complaint = "the clients' environment is not there; `make .venv/clients.stamp` builds it"
        if os.environ.get("CI"):
            raise AssertionError(complaint)
        pytest.skip(complaint)
    return PYTHON


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("suite", sorted(path.name for path in SUITES.glob("test_*.py")))
def test_suite(suite: str, python: Path, tiny: System, tmp_path: Path) -> None:
    """In an empty home, with nothing set but what docs/clients.md says to set."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MLXQ_URL": tiny.url,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    done = subprocess.run(
        [python, "-m", "pytest", suite],
        cwd=SUITES,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(done.stdout)
    assert done.returncode == 0
