"""Installs npm's agents into a folder: `python -m tests.agents.install FOLDER`, which has their package.json."""

import subprocess
import sys
from pathlib import Path

from tests.support.node import NODE, NPM

#: Scripts that put an agent's program for this machine in its place.
_PLACING = ("@anthropic-ai/claude-code/install.cjs", "opencode-ai/postinstall.mjs")


def main(folder: Path) -> None:
    quiet = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run([NODE, NPM, "install", *quiet], cwd=folder, check=True)
    for script in _PLACING:
        subprocess.run([NODE, folder / "node_modules" / script], cwd=folder, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
