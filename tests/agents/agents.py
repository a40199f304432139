"""The agents as their users start them, each set up by its documented settings to use mlxq."""

import json
import os
import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from tests.agents.actor import FILE
from tests.support.node import NODE
from tests.support.system import REPO

FOLDER = REPO / ".venv" / "agents"
TASK = f"Write a note into {FILE}"


@dataclass
class Place:
    """Where an agent runs: an empty home, the folder that it works in, and the server that it is to use."""

    home: Path
    work: Path
    url: str


class Agent(ABC):
    name: str

    @abstractmethod
    def command(self, place: Place) -> list[str]:
        """Its command, after its configuration has been written."""

    def environment(self, place: Place) -> dict[str, str]:
        return {}

    def start(self, place: Place) -> subprocess.Popen[str]:
        environment = {
            "PATH": f"{NODE.parent}:{os.environ['PATH']}",
            "HOME": str(place.home),
            **self.environment(place),
        }
        return subprocess.Popen(
            self.command(place),
            cwd=place.work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


class ClaudeCode(Agent):
    name = "claude"

    def environment(self, place: Place) -> dict[str, str]:
        return {
            "ANTHROPIC_BASE_URL": place.url,
            "ANTHROPIC_API_KEY": "any",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        }

    def command(self, place: Place) -> list[str]:
        return [_npm("claude"), "-p", TASK, "--allowedTools", "Write", "--model", "actor"]


class Codex(Agent):
    name = "codex"

    def environment(self, place: Place) -> dict[str, str]:
        return {"CODEX_HOME": str(place.home / "codex")}

    def command(self, place: Place) -> list[str]:
        home = place.home / "codex"
        home.mkdir()
        (home / "config.toml").write_text(
            'model = "actor"\nmodel_provider = "mlxq"\n[model_providers.mlxq]\nname = "mlxq"\n'
            f'base_url = "{place.url}/v1"\nwire_api = "responses"\n'
        )
        flags = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
        return [_npm("codex"), "exec", *flags, TASK]


class OpenCode(Agent):
    name = "opencode"

    def environment(self, place: Place) -> dict[str, str]:
        quiet = ("AUTOUPDATE", "DEFAULT_PLUGINS", "LSP_DOWNLOAD", "MODELS_FETCH")
        return {f"OPENCODE_DISABLE_{each}": "1" for each in quiet}

    def command(self, place: Place) -> list[str]:
        provider = {
            "npm": "@ai-sdk/openai-compatible",
            "name": "mlxq",
            "options": {"baseURL": f"{place.url}/v1", "apiKey": "any"},
            "models": {"actor": {"name": "actor"}},
        }
        settings = {
            "provider": {"mlxq": provider},
            "model": "mlxq/actor",
            "permission": {"edit": "allow", "bash": "allow"},
        }
        (place.work / "opencode.json").write_text(json.dumps(settings))
        return [_npm("opencode"), "run", TASK]


class Aider(Agent):
    name = "aider"

    def environment(self, place: Place) -> dict[str, str]:
        return {"OPENAI_API_BASE": f"{place.url}/v1", "OPENAI_API_KEY": "any"}

    def command(self, place: Place) -> list[str]:
        switches = (
            "check-update",
            "show-model-warnings",
            "analytics",
            "show-release-notes",
            "git",
            "detect-urls",
        )
        quiet = [f"--no-{each}" for each in switches]
        aider = str(FOLDER / "aider" / "bin" / "aider")
        model = ["--model", "openai/actor", "--edit-format", "diff"]
        return [aider, *model, "--yes-always", *quiet, "--message", TASK, FILE]


AGENTS: dict[str, Agent] = {each.name: each for each in (ClaudeCode(), Codex(), OpenCode(), Aider())}


def _npm(name: str) -> str:
    return str(FOLDER / "node_modules" / ".bin" / name)
