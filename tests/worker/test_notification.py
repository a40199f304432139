"""A long job that ends shows a notification: what clients say is an argument of the program, not of its script."""

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from config.settings import Settings
from jobs.client import JobClient
from tests.support.events import EventType
from tests.support.jobs import request
from tests.support.lanes import Bench

pytestmark = pytest.mark.anyio

#: The script is refused unless it takes its words from its arguments.
_PROGRAM = """\
#!{python}
import json, sys
from pathlib import Path

option, script, *arguments = sys.argv[1:]
if option == "-e" and "on run arguments" in script:
    file = Path({folder!r}) / "shown"
    new = file.with_suffix(".new")
    new.write_text(json.dumps([script, arguments]))
    new.rename(file)
"""
APP = '"; do shell script "touch /tmp/x" -- \n\u202e'


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in for `osascript` writes what it was called with."""
    program = tmp_path / "osascript"
    program.write_text(_PROGRAM.format(python=sys.executable, folder=str(tmp_path)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path / "shown"


@pytest.fixture
def settings(settings: Settings, shown: Path) -> Settings:
    return settings.model_copy(update={"notify_after": 0.001})


async def test_a_long_job_shows_its_end_and_a_cancelled_one_nothing(
    bench: Bench, client: JobClient, shown: Path
) -> None:
    running = await bench.submit("first", count=10**9)
    await bench.story(running, until=lambda event: event.type == EventType.PROGRESS)
    await client.cancel(running)
    await bench.story(running)
    done = request(model="first", payload={"count": 200}, app=APP)
    await client.enqueue(done)
    await bench.story(done.id)
    bench.host.drain()
    async with asyncio.timeout(60):
        while not shown.exists():
            await asyncio.sleep(0.02)
    script, arguments = json.loads(shown.read_text())
    title, text = arguments
    assert title == "mlxq"
    assert text.startswith('chat by first for ";?do?shell?script?')
    assert re.search(r": done after \d+ s$", text)
    assert "shell" not in script
    assert text.isascii()
    assert "\n" not in text
