"""Every example in README.md and docs/ is run as it stands, against a running mlxq.

An example that cannot run says why, in a line before it: `<!-- not run: reason -->`. Addresses with port 8080
and the folder ~/.mlxq lead to the test's own system. Each example runs by itself.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkpoints import random_qwen3
from tests.support.hub import Hub
from tests.support.minilm import put_minilm
from tests.support.node import run_node
from tests.support.system import REPO, System
from tests.support.tts_checkpoints import random_qwen3_tts

DOCUMENTS = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]
#: Blocks that are not programs.
SHOWN = ("json", "text", "toml")

_FENCE = re.compile(
    r"^(?P<before>[^\n]*)\n+```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
_NOT_RUN = re.compile(r"<!-- not run: \S.* -->")


@dataclass(frozen=True)
class Example:
    place: str
    language: str
    code: str
    excused: bool


def examples(document: Path) -> Iterator[Example]:
    text = document.read_text()
    for fence in _FENCE.finditer(text):
        line = text.count("\n", 0, fence.start("code"))
        yield Example(
            f"{document.name}:{line}",
            fence["language"],
            fence["code"],
            _NOT_RUN.fullmatch(fence["before"]) is not None,
        )


EXAMPLES = [example for document in DOCUMENTS for example in examples(document)]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    models = tmp_path_factory.mktemp("models")
    minilm, speaker = put_minilm(models), random_qwen3_tts(models / "speaker")
    with Hub() as hub:
        hub.add_folder("mlx-community/Qwen3-0.6B-4bit", random_qwen3(models / "small"))
        running = System(
            REPO / "models",
            "tiny-chat",
            EMBEDDING_MODEL=minilm,
            TTS_MODEL=speaker,
            HF_ENDPOINT=hub.url,
            HF_HUB_CACHE=models / "cache",
        )
        try:
            running.start().start_downloads()
            yield running
        finally:
            running.stop()


@pytest.fixture(scope="module")
def environment(system: System, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A user's shell: the virtual environment's programs, the data folder at home, and a strict curl."""
    home = tmp_path_factory.mktemp("home")
    (home / ".mlxq").symlink_to(system.redis.data_dir)
    (home / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    command = home / "mlxq"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mlxq "$@"\n')
    command.chmod(0o755)
    return {
        **os.environ,
        "HOME": str(home),
        "CURL_HOME": str(home),
        "PATH": os.pathsep.join([str(home), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "REDIS_URL": system.redis.url,
        "PORT": str(system.port),
        "LLM_MODEL": str(REPO / "models" / "tiny-chat"),
    }


def test_every_block_is_one_that_is_understood() -> None:
    known = ("bash", "python", "javascript", *SHOWN)
    assert [example.place for example in EXAMPLES if example.language not in known] == []
    assert sum(document.read_text().count("\n```") for document in DOCUMENTS) == 2 * len(EXAMPLES)


@pytest.mark.parametrize(
    "example",
    [example for example in EXAMPLES if example.language not in SHOWN and not example.excused],
    ids=lambda example: example.place,
)
def test_an_example_runs(example: Example, system: System, environment: dict[str, str]) -> None:
    code = example.code.replace("127.0.0.1:8080", f"127.0.0.1:{system.port}")
    if example.language == "javascript":
        run_node("--input-type=module", "-", script=code)
        return
    program = {"python": [sys.executable, "-"], "bash": ["bash", "-euo", "pipefail"]}[example.language]
    done = subprocess.run(
        program, input=code, env=environment, cwd=REPO, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip(), "an example shows something"
