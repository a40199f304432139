"""The terminal's command of a checkout, as `make run` makes it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.settings import REPO
from tests.support.ports import free_port


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`mlxq` beside a Python that is this one."""
    programs = tmp_path_factory.mktemp("bin")
    python = programs / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    subprocess.run(["make", "--silent", "-C", REPO, f"BIN={programs}", programs / "mlxq"], check=True)
    return programs / "mlxq"


def test_it_runs_in_the_folder_of_somebody_else(command: Path, tmp_path: Path) -> None:
    for name in ("api", "config", "jobs", "mlxq", "worker"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('this is not mlxq')")
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PORT": str(free_port()), "HF_HOME": ""}
    done = subprocess.run([command, "list"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "tiny-chat" in done.stdout


def test_programs_that_it_starts_do_not_see_its_packages() -> None:
    code = "from mlxq.launch.roots import environment as e; print(e().get('PYTHONPATH'), e().get('PYTHONSAFEPATH'))"
    environment = {"PYTHONPATH": f"{REPO}{os.pathsep}/mine", "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "/mine None"
