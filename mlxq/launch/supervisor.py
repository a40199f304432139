"""Keeps one process running: `python -m mlxq.launch.supervisor [--grace SECONDS] -- COMMAND…`

It starts the command again after a crash, sooner at first and later each time, passes a stop on to it, kills
it when it does not obey, and ends with its status. An exit with 0 or with 2 (a wrong setting) is no crash. It
imports little, so that it costs about 11 MB, and knows nothing of what it runs.

The command stays in the supervisor's process group, so that a kill of the group leaves no orphan. A stop sent
to the group therefore reaches it twice: SIGTERM must mean the same the second time. With MLXQ_PARENT_PID set,
the loss of that parent is a stop (see `parent_is_gone`).
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import NoReturn, Protocol

from config import early

#: What a process exits with when a setting is wrong: starting it again cannot help.
WRONG_SETTING = 2

_STOPS = (signal.SIGTERM, signal.SIGINT)
_TICK = 1.0


def say(text: str) -> None:
    """One line on stderr. Its reader may be gone, which must not end a process that cares for a child."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"mlxq: {text}\n")
        sys.stderr.flush()


def parent_is_gone() -> bool:
    """Has the process named by MLXQ_PARENT_PID died? A terminal that closes kills honcho, and no one else."""
    parent = early.parent_pid()
    return parent is not None and os.getppid() != parent


def stop_with_parent() -> None:
    """For a supervised process: send itself SIGTERM when its supervisor was killed."""

    def watch() -> None:
        while not parent_is_gone():
            time.sleep(_TICK)
        os.kill(os.getpid(), signal.SIGTERM)

    if early.parent_pid() is not None:
        threading.Thread(target=watch, name="stop-with-parent", daemon=True).start()


def start_again() -> NoReturn:
    """For a process that has finished: begin anew, as it was begun, under the same pid and the same parent."""
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


class Child(Protocol):
    """A running process, as the supervisor sees it."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """None while it runs; then its exit code, negative for the signal that killed it."""

    def stop(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it."""


class Command:
    """A child that is a command, in our own process group."""

    def __init__(self, argv: list[str]) -> None:
        self._process = subprocess.Popen(argv, env={**os.environ, early.PARENT_PID: str(os.getpid())})

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.poll()

    def stop(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


class Backoff:
    """The pause before the next start: doubles from `first` to `most` seconds, anew after a healthy run."""

    def __init__(self, first: float, most: float, healthy: float = 60.0) -> None:
        self._first, self._most, self._healthy = first, most, healthy
        self._next = first

    def after(self, ran: float) -> float:
        """The pause to make after a run of `ran` seconds."""
        pause = self._first if ran >= self._healthy else self._next
        self._next = min(pause * 2, self._most)
        return pause


class SignalWaiter:
    """Lets the main thread sleep until a child ended, a stop was asked for, or the parent has gone."""

    def __init__(self) -> None:
        self.stopped = False

    def __enter__(self) -> "SignalWaiter":
        self._reader, self._writer = os.pipe()
        for end in (self._reader, self._writer):
            os.set_blocking(end, False)
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._handlers = {number: signal.signal(number, self._ring) for number in (*_STOPS, signal.SIGCHLD)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._reader)
        os.close(self._writer)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        self.stopped = self.stopped or number in _STOPS

    def wait(self, seconds: float) -> bool:
        """Sleep until something happens, but no longer than `seconds`; True when it is time to stop."""
        if not self.stopped and select.select([self._reader], [], [], seconds)[0]:
            os.read(self._reader, 4096)
        self.stopped = self.stopped or parent_is_gone()
        return self.stopped

    def sleep(self, seconds: float) -> bool:
        """Sleep for `seconds` unless it is time to stop, which returns True at once."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.wait(min(left, _TICK)):
                break
        return self.stopped


class Supervisor:
    """Starts a child by `start`, again and again, until it ends for good or a stop is asked for."""

    def __init__(
        self,
        name: str,
        start: Callable[[], Child],
        backoff: Backoff,
        grace: float,
        final: tuple[int, ...] = (0, WRONG_SETTING),
    ) -> None:
        """`grace`: seconds from a stop to a kill; `final`: exit codes after which there is no other start."""
        self._name, self._start, self._backoff, self._grace, self._final = name, start, backoff, grace, final

    def run(self) -> int:
        """The status to exit with. Must be called on the main thread: it takes the signals."""
        with SignalWaiter() as bell:
            while True:
                began = time.monotonic()
                child = self._start()
                code = self._watch(child, bell)
                if bell.stopped or code in self._final:
                    return code if code >= 0 else 128 - code
                pause = self._backoff.after(time.monotonic() - began)
                say(f"{self._name} (pid {child.pid}) {ending(code)}; starting it again in {pause:g} s")
                if bell.sleep(pause):
                    return 0

    def _watch(self, child: Child, bell: SignalWaiter) -> int:
        while (code := child.poll()) is None:
            if bell.wait(_TICK):
                return self._stop(child)
        return code

    def _stop(self, child: Child) -> int:
        child.stop()
        deadline = time.monotonic() + self._grace
        while (code := child.poll()) is None:
            if time.monotonic() > deadline:
                say(f"{self._name} (pid {child.pid}) did not stop within {self._grace:g} s: killing it")
                child.kill()
                deadline = float("inf")
            time.sleep(0.01)
        return code


def ending(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"


def main(arguments: list[str]) -> int:
    options, command = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
    grace = float(options[1]) if options[:1] == ["--grace"] else 15.0
    if not early.supervise():
        os.execvp(command[0], command)
    return Supervisor(
        os.path.basename(command[-1]), lambda: Command(command), Backoff(first=0.5, most=30.0), grace
    ).run()


if __name__ == "__main__":
    if "--" not in sys.argv or sys.argv[-1] == "--":
        sys.exit("usage: python -m mlxq.launch.supervisor [--grace SECONDS] -- COMMAND…")
    sys.exit(main(sys.argv[1:]))
