"""`mlxq launch` starts an agent that uses the server, and says what is missing. The real agents are in tests/agents.

The agent here shows its environment and its arguments, and ends with a status of its own.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlxq.cli.agents import AGENTS
from tests.support.ports import free_port
from tests.support.system import REPO, System
from tests.system.test_terminal import run

#: What a shell changes by itself.
_SHELL = ("_", "SHLVL", "PWD", "OLDPWD")
_SHOWS = f"""#!{sys.executable}
import json, os, sys
print(json.dumps([sys.argv[1:], dict(os.environ)]))
sys.exit(7)
"""


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """A user's environment on a machine where every agent is installed."""
    programs, home = tmp_path / "bin", tmp_path / "home"
    programs.mkdir()
    home.mkdir()
    for agent in AGENTS.values():
        program = programs / agent.program
        program.write_text(_SHOWS)
        program.chmod(0o755)
    return {
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOME": str(home),
        "MLXQ_DATA_DIR": str(tmp_path / "data"),
        "ANTHROPIC_API_KEY": "sk-the-users-own",
        "HTTP_PROXY": "http://proxy.example:3128",
    }


def started(system: System, machine: dict[str, str], *arguments: str) -> tuple[list[str], dict[str, str]]:
    """What an agent gets that is launched: its arguments and its environment."""
    command = [sys.executable, "-m", "mlxq", "launch", "--url", system.url, *arguments]
    done = subprocess.run(command, cwd=REPO, env=machine, capture_output=True, text=True, timeout=60)
    assert done.returncode == 7, done.stderr
    found = json.loads(done.stdout)
    return found[0], found[1]


def test_an_agent_is_told_all_and_its_configuration_is_left_alone(
    system: System, machine: dict[str, str]
) -> None:
    arguments, environment = started(system, machine, "claude", "--", "-p", "two words", "--", "--model")
    assert arguments == ["-p", "two words", "--", "--model"]
    assert environment["ANTHROPIC_BASE_URL"] == system.url
    assert environment["ANTHROPIC_MODEL"] == "first"
    assert "ANTHROPIC_API_KEY" not in environment, "the user's own key goes to nobody else"
    assert environment["NO_PROXY"] == "127.0.0.1"
    context = system.http.get("/v1/models/first").json()["context_length"]
    assert environment["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == str(context)
    assert list(Path(machine["HOME"]).iterdir()) == []


@pytest.mark.parametrize("name", ["claude", "aider"])
def test_what_is_printed_does_the_same_in_a_shell(system: System, machine: dict[str, str], name: str) -> None:
    wanted = ["--model", "org/second", "--", "it's", "$HOME"]
    launched = started(system, machine, name, *wanted)
    printed = run("--url", system.url, "launch", "--print", name, *wanted, **machine)
    assert printed.returncode == 0, printed.stderr
    by_hand = subprocess.run(
        ["bash", "-c", printed.stdout], env=machine, capture_output=True, text=True, timeout=60
    )
    assert by_hand.returncode == 7, by_hand.stderr
    arguments, environment = json.loads(by_hand.stdout)
    assert arguments == launched[0]
    assert _lasting(environment) == _lasting(launched[1])
    assert "org/second" in printed.stdout


def _lasting(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in _SHELL}


@pytest.mark.parametrize("name", AGENTS)
def test_every_agent_gets_the_address_the_model_and_the_key(
    system: System, machine: dict[str, str], name: str
) -> None:
    keys = {"API_KEYS": "secret-key", "ADMIN_KEYS": "other-key"}
    told = run("launch", name, "--print", "--with-key", "--url", f"{system.url}/v1", **machine, **keys)
    assert told.returncode == 0, told.stderr
    assert system.url in told.stdout
    assert "first" in told.stdout
    assert "secret-key" in told.stdout
    assert "other-key" not in told.stdout
    hidden = run("launch", name, "--print", "--url", system.url, **machine, **keys)
    assert "secret-key" not in hidden.stdout
    assert [line for line in hidden.stdout.splitlines() if not line.startswith("# ")] == [
        line for line in told.stdout.splitlines() if "secret-key" not in line
    ]


def test_without_a_name_the_agents_are_listed(tmp_path: Path, machine: dict[str, str]) -> None:
    (tmp_path / "bin" / "codex").unlink()
    listed = run("launch", **machine)
    rows = {line.split()[0]: line.rstrip() for line in listed.stdout.splitlines()[1:]}
    assert set(rows) == set(AGENTS)
    assert rows["claude"].endswith("yes")
    assert rows["codex"].endswith("no: npm install -g @openai/codex")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["codex"], "Codex CLI is not installed; `npm install -g @openai/codex` installs it"),
        (["claude", "--model", "org/nowhere"], "`mlxq pull org/nowhere` fetches it"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    system: System, tmp_path: Path, machine: dict[str, str], arguments: list[str], words: str
) -> None:
    (tmp_path / "bin" / "codex").unlink()
    done = run("launch", *arguments, "--url", system.url, **machine)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_server_is_said(machine: dict[str, str]) -> None:
    done = run("launch", "claude", PORT=str(free_port()), **machine)
    assert done.returncode == 1
    assert "no server answers" in done.stderr


def test_a_small_context_is_told(system: System, machine: dict[str, str]) -> None:
    done = run("launch", "aider", "--print", "--model", "short", "--url", system.url, **machine)
    assert "the context of 'short' has 64 tokens" in done.stderr


def test_only_launch_passes_arguments_on(machine: dict[str, str]) -> None:
    with pytest.raises(SystemExit):
        run("ps", "--", "more", **machine)
