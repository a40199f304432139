"""The set-ups of docs/agents.md, with the address and the model of a test."""

import re

from tests.support.system import REPO

_MODEL, _ADDRESS = "mlx-community/Qwen3-Coder-30B-A3B-Instruct-4bit", "http://127.0.0.1:8080"


def set_up(agent: str, url: str) -> str:
    """The block of the agent's section."""
    page = (REPO / "docs" / "agents.md").read_text()
    section = page.partition(f"\n### {agent}\n")[2]
    block = re.search(r"```\w+\n(.*?)```", section, re.DOTALL)
    assert block is not None, f"{agent} has no set-up"
    return block[1].replace(_MODEL, "actor").replace(_ADDRESS, url)


def variables(agent: str, url: str) -> dict[str, str]:
    """Where the set-up consists of environment variables."""
    pairs = (line.partition("=") for line in set_up(agent, url).splitlines())
    return {name: value for name, _, value in pairs}
