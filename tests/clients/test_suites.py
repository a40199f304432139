"""Libraries that people use with OpenAI's API, each driven as its users drive it, in an environment of their own.

The stories are told in `suites/`; what they need is locked in requirements-clients.lock.
"""

import os
import subprocess
import xml.etree.ElementTree as ET
from collections import defaultdict
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


@pytest.fixture(scope="module")
def told(python: Path, tiny: System, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What became of the tests of each suite; "" stands for one that passed.

    They run in an empty home, with nothing set but what docs/clients.md says to set, and in one process: much of
    their time is that of imports, which they share.
    """
    folder = tmp_path_factory.mktemp("suites")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MLXQ_URL": tiny.url,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    done = subprocess.run(
        [python, "-m", "pytest", f"--junitxml={folder / 'told.xml'}"],
        cwd=SUITES,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode in (0, 1), done.stdout
    found = defaultdict[str, list[str]](list)
    for case in ET.parse(folder / "told.xml").iter("testcase"):
        wrong = [each.text or "" for each in case if each.tag in ("failure", "error")]
        name = str(case.get("classname")).partition(".")[0]
        found[name].append("\n".join([str(case.get("name")), *wrong]) if wrong else "")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("suite", sorted(path.stem for path in SUITES.glob("test_*.py")))
def test_suite(suite: str, told: dict[str, list[str]]) -> None:
    assert told[suite]
    assert not any(told[suite]), "\n".join(told[suite])
