"""`mlxq top` in a terminal: it sees what runs and waits, and its keys cancel, hold and pause."""

import sys
from collections.abc import Iterator

import pytest

from tests.support.stories import submit
from tests.support.system import System
from tests.support.terminal import Terminal
from tests.system.test_terminal import run


@pytest.fixture
def top(system: System) -> Iterator[Terminal]:
    terminal = Terminal([sys.executable, "-m", "mlxq", "--url", system.url, "top"])
    yield terminal
    terminal.close()


def line(shown: str, job_id: str) -> str:
    return next((each for each in shown.splitlines() if job_id in each), "")


def test_it_sees_cancels_holds_and_pauses(system: System, top: Terminal) -> None:
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
    assert top.ended() == 0


@pytest.mark.parametrize("there", [True, False], ids=["no terminal", "no server"])
def test_what_it_needs_and_is_not_there(system: System, there: bool) -> None:
    done = run("--url", system.url if there else "http://127.0.0.1:1", "top")
    words = "top needs a terminal" if there else "no server answers"
    assert (done.returncode, words in done.stderr) == (1, True)
