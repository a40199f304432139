"""`python -m mlxq.launch.supervisor`, around programs that crash, end, hang, or will not die."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlxq.launch.supervisor import Backoff
from tests.program import Program, is_gone, wait_until_gone

Start = Callable[..., Program]

#: Says its pid, then does as told. A signal may come while it speaks, which print() does not stand.
LEAD = "import os, signal, sys, time; say = lambda text: os.write(1, f'{text} {os.getpid()}\\n'.encode())\n"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Program] = []

    def run(code: str, *options: str, **environment: str) -> Program:
        script = tmp_path / "program"
        script.write_text(LEAD + code)
        command = [
            sys.executable,
            "-m",
            "mlxq.launch.supervisor",
            *options,
            "--",
            sys.executable,
            str(script),
        ]
        started.append(Program(command, environment))
        return started[-1]

    yield run
    for program in started:
        program.kill_tree()


def pid_in(line: str) -> int:
    return int(line.split()[-1])


WAIT_FOR_SIGTERM = """
signal.signal(signal.SIGTERM, lambda *_: (say('stopping'), sys.exit(7)))
say('up')
while True: time.sleep(60)
"""


def test_a_crashed_program_is_started_again(start: Start) -> None:
    program = start(WAIT_FOR_SIGTERM)
    first = pid_in(program.line("up"))
    os.kill(first, signal.SIGKILL)
    assert f"(pid {first}) was killed by SIGKILL; starting it again in 0.5 s" in program.line("mlxq:")
    second = pid_in(program.line("up"))
    os.kill(second, signal.SIGSEGV)
    assert "was killed by SIGSEGV; starting it again in 1 s" in program.line("mlxq:")
    assert pid_in(program.line("up")) not in (first, second)


def test_an_error_status_is_a_crash(start: Start, tmp_path: Path) -> None:
    program = start(
        f"flag = {str(tmp_path / 'flag')!r}\nif not os.path.exists(flag): open(flag, 'w'); sys.exit(1)"
    )
    assert "ended with status 1; starting it again" in program.line("mlxq:")
    assert program.wait() == 0


@pytest.mark.parametrize("status", [0, 2])
def test_an_end_for_good_is_passed_on(start: Start, status: int) -> None:
    program = start(f"say('up'); sys.exit({status})")
    program.line("up")
    assert program.wait() == status
    with pytest.raises(AssertionError):
        program.line("starting it again")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_passed_on_as_sigterm_and_the_status_back(start: Start, number: signal.Signals) -> None:
    program = start(WAIT_FOR_SIGTERM)
    pid = pid_in(program.line("up"))
    assert program.stop(number) == 7
    program.line("stopping")
    assert is_gone(pid)


def test_a_stop_ends_the_pause_before_the_next_start(start: Start) -> None:
    program = start("sys.exit(1)")
    for pause in ("0.5 s", "1 s", "2 s"):
        program.line(f"starting it again in {pause}")
    assert program.stop() == 0


def test_a_program_that_will_not_stop_is_killed(start: Start) -> None:
    program = start(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); say('up'); time.sleep(600)", "--grace", "0.2"
    )
    pid = pid_in(program.line("up"))
    assert program.stop() == 128 + signal.SIGKILL
    assert "did not stop within 0.2 s: killing it" in program.line("mlxq:")
    assert is_gone(pid)


def test_a_kill_of_the_group_leaves_no_orphan(start: Start) -> None:
    program = start(WAIT_FOR_SIGTERM)
    pid = pid_in(program.line("up"))
    os.killpg(program.pid, signal.SIGKILL)
    program.wait()
    wait_until_gone(pid)


def test_the_supervised_program_ends_with_its_supervisor(start: Start) -> None:
    program = start(
        f"from mlxq.launch.process import stop_with_parent; stop_with_parent()\n{WAIT_FOR_SIGTERM}"
    )
    pid = pid_in(program.line("up"))
    program.kill()
    program.line("stopping")
    wait_until_gone(pid)


def test_it_ends_with_its_own_parent(start: Start) -> None:
    program = start(WAIT_FOR_SIGTERM, MLXQ_PARENT_PID="1")
    assert program.wait() in (7, 128 + signal.SIGTERM)


def test_switched_off_it_becomes_the_program(start: Start) -> None:
    program = start(WAIT_FOR_SIGTERM, SUPERVISE="0")
    assert pid_in(program.line("up")) == program.pid
    assert program.stop() == 7


def test_the_pause_doubles_to_a_bound_and_starts_over_after_a_healthy_run() -> None:
    backoff = Backoff(first=0.5, most=3.0, healthy=60.0)
    assert [backoff.after(ran) for ran in (0, 1, 59, 0, 60, 0)] == [0.5, 1.0, 2.0, 3.0, 0.5, 1.0]
