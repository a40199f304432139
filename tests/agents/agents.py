"""The agents as their users start them: set up by hand as docs/agents.md says, or by `mlxq launch`."""

import json
import os
import subprocess
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from tests.agents import documented
from tests.agents.actor import FILE
from tests.support.node import NODE
from tests.support.system import REPO

FOLDER = REPO / ".venv" / "agents"
_BIN, _AIDER = FOLDER / "node_modules" / ".bin", FOLDER / "aider" / "bin"
TASK = f"Write a note into {FILE}"


@dataclass
class Place:
    """Where an agent runs: an empty home, the folder that it works in, and the server that it is to use."""

    home: Path
    work: Path
    url: str


class Agent(ABC):
    """`idle`: seconds of silence that it bears, where that is a setting; None for its own limit."""

    name: str
    #: what keeps it from the internet, and from asking its user
    quiet: tuple[str, ...] = ()

    @abstractmethod
    def turn(self) -> list[str]:
        """The arguments of one turn."""

    @abstractmethod
    def by_hand(self, place: Place, idle: float | None) -> tuple[dict[str, str], list[str]]:
        """Variables and arguments, after its configuration has been written."""

    def configure(self, place: Place) -> None:
        """Write what its user has configured, whatever the server is."""
        return None

    def start(self, place: Place, idle: float | None = None) -> subprocess.Popen[str]:
        variables, arguments = self.by_hand(place, idle)
        return self._run(place, [self.name, *arguments, *self.turn()], variables)

    def launch(self, place: Place) -> subprocess.Popen[str]:
        self.configure(place)
        command = [sys.executable, "-m", "mlxq", "launch", self.name, "--url", place.url, "--", *self.turn()]
        return self._run(
            place, command, {"PYTHONPATH": str(REPO), "MLXQ_DATA_DIR": str(place.home / ".mlxq")}
        )

    def _run(self, place: Place, command: list[str], variables: dict[str, str]) -> subprocess.Popen[str]:
        environment = {
            "PATH": f"{_BIN}:{_AIDER}:{NODE.parent}:{os.environ['PATH']}",
            "HOME": str(place.home),
            **dict.fromkeys(self.quiet, "1"),
            **variables,
        }
        return subprocess.Popen(
            command,
            cwd=place.work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


class ClaudeCode(Agent):
    """Of its limits only the time to the beginning of a stream can be made small; in one it bears five minutes."""

    name = "claude"
    quiet = ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_AUTOUPDATER")

    def turn(self) -> list[str]:
        return ["-p", TASK, "--allowedTools", "Write"]

    def by_hand(self, place: Place, idle: float | None) -> tuple[dict[str, str], list[str]]:
        variables = documented.variables("Claude Code", place.url)
        if idle is not None:
            variables["API_TIMEOUT_MS"] = f"{1000 * idle:.0f}"
        return variables, []


class Codex(Agent):
    name = "codex"

    def turn(self) -> list[str]:
        return ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", TASK]

    def by_hand(self, place: Place, idle: float | None) -> tuple[dict[str, str], list[str]]:
        folder = place.home / ".codex"
        folder.mkdir()
        settings = documented.set_up("Codex", place.url)
        if idle is not None:
            # The last table is that of the server.
            settings += f"stream_idle_timeout_ms = {1000 * idle:.0f}\n"
        (folder / "config.toml").write_text(settings)
        return {"MLXQ_KEY": "any"}, []


class OpenCode(Agent):
    name = "opencode"
    quiet = tuple(
        f"OPENCODE_DISABLE_{each}"
        for each in ("AUTOUPDATE", "DEFAULT_PLUGINS", "LSP_DOWNLOAD", "MODELS_FETCH")
    )

    def turn(self) -> list[str]:
        return ["run", TASK]

    def configure(self, place: Place) -> None:
        self._write(place, {})

    def by_hand(self, place: Place, idle: float | None) -> tuple[dict[str, str], list[str]]:
        settings = json.loads(documented.set_up("opencode", place.url))
        if idle is not None:
            options = settings["provider"]["mlxq"]["options"]
            options |= dict.fromkeys(("headerTimeout", "chunkTimeout"), 1000 * idle)
        self._write(place, settings)
        return {}, []

    @staticmethod
    def _write(place: Place, more: dict[str, object]) -> None:
        settings = {"permission": {"edit": "allow", "bash": "allow"}, **more}
        (place.work / "opencode.json").write_text(json.dumps(settings))


class Aider(Agent):
    name = "aider"

    def turn(self) -> list[str]:
        switches = ("check-update", "analytics", "show-release-notes", "git", "detect-urls")
        quiet = [f"--no-{each}" for each in switches]
        return ["--edit-format", "diff", "--yes-always", *quiet, "--message", TASK, FILE]

    def by_hand(self, place: Place, idle: float | None) -> tuple[dict[str, str], list[str]]:
        patience = [] if idle is None else ["--timeout", str(idle)]
        return documented.variables("aider", place.url), patience


AGENTS: dict[str, Agent] = {each.name: each for each in (ClaudeCode(), Codex(), OpenCode(), Aider())}
