"""`mlxq top` in a real terminal: it sees what runs and waits, and its keys cancel, hold and pause."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.stories import submit
from tests.support.system import REPO, System
from tests.system.test_terminal import run

#: Without the size of the terminal that the tests run in.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}


class Tmux:
    """A terminal of 160 columns that tmux holds."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self._socket = str(folder / "tmux")
        size = ("-x", "160", "-y", "30")
        self._tmux("-f", "/dev/null", "new-session", "-d", "-s", "top", *size, *command)

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, *arguments],
            env={**_ENVIRONMENT, "TERM": "xterm-256color"},
            cwd=REPO,
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        return done.stdout

    def text(self) -> str:
        return self._tmux("capture-pane", "-p", "-t", "top")

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", "-t", "top", *keys)

    def until(self, condition: Callable[[str], bool], timeout: float = 20) -> str:
        """Look again and again: a terminal has no events."""
        deadline = time.monotonic() + timeout
        while not condition(shown := self.text()):
            assert time.monotonic() < deadline, shown
            time.sleep(0.05)
        return shown

    def closed(self) -> bool:
        done = subprocess.run(["tmux", "-S", self._socket, "has-session"], capture_output=True, timeout=20)
        return done.returncode != 0

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, timeout=20)


@pytest.fixture
def top(system: System, tmp_path: Path) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("there is no tmux")
    terminal = Tmux(tmp_path, [sys.executable, "-m", "mlxq", "--url", system.url, "top"])
    yield terminal
    terminal.close()


def line(shown: str, job_id: str) -> str:
    return next((each for each in shown.splitlines() if job_id in each), "")


def test_it_sees_cancels_holds_and_pauses(system: System, top: Tmux) -> None:
    top.until(lambda shown: "taking jobs" in shown)
    running = submit(system, "long", max_tokens=50_000)
    top.until(lambda shown: "runs" in line(shown, running))

    top.press("p")
    top.until(lambda shown: "PAUSED" in shown)
    assert system.http.get("/v1/queue/stats").json()["paused"]
    waiting = submit(system, "later", max_tokens=2)
    shown = top.until(lambda shown: "paused" in line(shown, waiting))
    assert shown.index(running) < shown.index(waiting)

    # The running job is chosen first.
    top.press("c")
    top.until(lambda shown: f"Cancel {running}?" in shown)
    top.press("y")
    top.until(lambda shown: "cancelled" in line(shown, running))
    assert system.job(running)["status"] == "cancelled"

    top.press("Up")
    top.press("3")
    top.until(lambda shown: "background" in line(shown, waiting))
    top.press("Space")
    top.until(lambda shown: "held" in line(shown, waiting))
    top.press("p")
    top.until(lambda shown: "taking jobs" in shown)
    top.press("Space")
    top.until(lambda shown: "completed" in line(shown, waiting))
    top.press("q")
    deadline = time.monotonic() + 20
    while not top.closed():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("there", [True, False], ids=["no terminal", "no server"])
def test_what_it_needs_and_is_not_there(system: System, there: bool) -> None:
    done = run("--url", system.url if there else "http://127.0.0.1:1", "top")
    words = "top needs a terminal" if there else "no server answers"
    assert (done.returncode, words in done.stderr) == (1, True)
