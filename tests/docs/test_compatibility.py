"""docs/compatibility.md: every command of the servers that mlxq replaces is run as it stands there, ports aside.

`seeds.json` has the answers of those servers as their documentation prints them.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.api.test_discover import MODELS
from tests.support.audio import speech, write
from tests.support.checkpoints import random_qwen3
from tests.support.hub import Hub
from tests.support.hub_listing import HubListing
from tests.support.image_checkpoints import random_flux2, random_z_image
from tests.support.paraformer_checkpoint import paraformer_checkpoint
from tests.support.system import REPO, System

_ENTRY = re.compile(
    r"^<!-- not run: tests/docs/test_compatibility.py runs it -->\n```bash\n(?P<command>.*?)^```\n\n"
    r"(?P<status>\d+):\n\n```json\n(?P<answer>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
#: What is another thing on another machine, or at another time.
_FREE = {
    *("platform", "architecture", "processor", "device_name", "is_apple_silicon", "memory", "gpu_memory"),
    *("created_at", "updated_at", "last_used_at", "last_used", "loaded_at", "job_id", "revision", "text"),
    *("compatibility_message", "memory_fit", "version", "system_compatible"),
}
LLAMA = "llama-3.2-3b-instruct"


@dataclass(frozen=True)
class Entry:
    """A command, and what the page says that it brings. `number` is its place on the page."""

    number: int
    command: str
    status: int
    answer: Any


def entries() -> list[Entry]:
    text = (REPO / "docs" / "compatibility.md").read_text()
    return [
        Entry(number, found["command"].strip(), int(found["status"]), json.loads(found["answer"]))
        for number, found in enumerate(_ENTRY.finditer(text))
    ]


ENTRIES = entries()
#: The last two end the server; tests/system/test_control.py sees what becomes of it.
RUN = ENTRIES[:-2]
SEEDS: dict[str, Any] = {
    seed["command"]: seed["example"] for seed in json.loads((REPO / "tests/docs/seeds.json").read_bytes())
}


class Old:
    """A running mlxq with models by the names of the old servers' pages. `path` is what they call /path/to."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        self.path = folder / "models"
        self._spare = random_qwen3(folder / "spare", seed=1)
        random_qwen3(self.path / "first", seed=2)
        self.put_llama()
        paraformer_checkpoint(self.path / "paraformer" / "model", seed=1)
        (self.path / "reference").mkdir()
        write(self.path / "reference" / "audio.wav", speech(3, seed=1))
        for name in (
            "Qwen2.5-7B-Instruct-4bit",
            "Mistral-7B-Instruct-v0.3-4bit",
            "Qwen2-VL-2B-Instruct-4bit",
        ):
            hub.add_folder(f"mlx-community/{name}", self._spare)
        hub.add(
            "mlx-community/Qwen3-ASR-1.7B-8bit",
            {"config.json": b'{"model_type": "qwen3_asr"}', "model.safetensors": bytes(5000)},
        )
        self.system = System(
            self.path,
            "first",
            AUTO_DOWNLOAD=1,
            HF_ENDPOINT=hub.url,
            HF_HUB_CACHE=folder / "cache",
            ZIMAGE_MODEL_DIR=random_z_image(folder / "zimage"),
            FLUX_MODEL_DIR=random_flux2(folder / "flux"),
        )
        home = folder / "home"
        home.mkdir()
        (home / ".curlrc").write_text('silent\nshow-error\nwrite-out = "\\n%{http_code}"\n')
        self._environment = {**os.environ, "CURL_HOME": str(home), "HOME": str(home)}

    def put_llama(self) -> None:
        shutil.copytree(self._spare, self.path / LLAMA, dirs_exist_ok=True)

    def is_ready(self) -> bool:
        return bool(self.system.http.get("/v1/models/status").json()["models"]["llm"])

    def run(self, command: str) -> tuple[int, Any]:
        """The status and the JSON that a command brings."""
        here = re.sub(r"localhost:\d+", f"127.0.0.1:{self.system.port}", command)
        done = subprocess.run(
            ["bash", "-euo", "pipefail"],
            input=here.replace("/path/to", str(self.path)),
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        body, _, status = done.stdout.replace(str(self.path), "/path/to").rpartition("\n")
        return int(status), json.loads(body)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Old]:
    with Hub() as hub, HubListing(*MODELS) as listing:
        hub.listing = listing.url
        running = Old(tmp_path_factory.mktemp("old"), hub)
        try:
            running.system.start().start_downloads()
            running.system.wait_until(running.is_ready, "its model is not loaded")
            yield running
        finally:
            running.system.stop()


def alike(expected: Any, real: Any, where: str = "answer") -> None:
    """The same members with the same texts; numbers are what they are."""
    match expected:
        case dict():
            assert isinstance(real, dict), where
            assert real.keys() == expected.keys(), where
            for key in expected.keys() - _FREE:
                alike(expected[key], real[key], f"{where}.{key}")
        case [dict() as first, *_]:
            assert isinstance(real, list), where
            assert real, where
            alike(first, real[0], f"{where}[0]")
        case bool() | str() | list() | None:
            assert real == expected, where
        case _:
            assert isinstance(real, int | float), where


def covers(real: Any, example: Any, where: str = "answer") -> None:
    """All members of the old server's answer are there, with values of their kind, and its messages."""
    match example:
        case dict():
            assert isinstance(real, dict), where
            for key, value in example.items():
                assert key in real, f"{where} has no {key}"
                covers(real[key], value, f"{where}.{key}")
        case [first, *_]:
            assert isinstance(real, list), where
            assert real, where
            covers(real[0], first, f"{where}[0]")
        case bool():
            assert isinstance(real, bool), where
        case int() | float():
            assert isinstance(real, int | float) or real is None, where
        case str():
            assert isinstance(real, str) or real is None, where
            if where.rpartition(".")[2] in ("message", "detail"):
                assert real == example, where


def test_every_block_is_an_entry() -> None:
    text = (REPO / "docs" / "compatibility.md").read_text()
    assert text.count("```bash") == text.count("```json") == len(ENTRIES) > 35
    assert SEEDS.keys() <= {entry.command for entry in ENTRIES}


@pytest.mark.parametrize("entry", RUN, ids=lambda entry: f"{entry.number}")
def test_a_command_of_an_old_server(old: Old, entry: Entry) -> None:
    """They build on one another, in the order of the page."""
    if "DELETE" in entry.command and LLAMA in entry.command:
        old.put_llama()
    status, answer = old.run(entry.command)
    assert status == entry.status, answer
    alike(entry.answer, answer)


@pytest.mark.parametrize("command", SEEDS)
def test_nothing_of_the_old_answer_is_missing(command: str) -> None:
    """What the page shows is what the test above has seen."""
    (entry,) = [entry for entry in ENTRIES if entry.command == command]
    covers(entry.answer, SEEDS[command])
