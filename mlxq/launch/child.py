"""A running process, as the supervisor sees it, and the usual one: a command in the supervisor's process group."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Protocol

from config import early


class CannotStart(Exception):
    """A program cannot be started, and another try cannot help; the message says what to do about it."""


class Child(Protocol):
    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """None while it runs; then its exit code, negative for the signal that killed it. Raises CannotStart."""

    def stop(self, waited: float = 0.0) -> None:
        """Ask it to end. `waited`: seconds since the stop of the whole was asked for."""

    def kill(self) -> None:
        """End it."""


class Command:
    """A command in our own process group, so that a kill of the group leaves no orphan.

    A stop sent to the group reaches it twice: SIGTERM must mean the same the second time. Ctrl-C and a closed
    terminal reach it too, and are ignored until the command handles them: what ends it is our SIGTERM.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str] = os.environ,
        output: tuple[int, int] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """`output`: descriptors for stdout and stderr; None for our own."""
        out, err = output or (None, None)
        self._process = subprocess.Popen(
            argv,
            env={**environment, early.PARENT_PID: str(os.getpid())},
            stdout=out,
            stderr=err,
            pass_fds=pass_fds,
            preexec_fn=_ignore_the_terminal,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.poll()

    def stop(self, waited: float = 0.0) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


def _ignore_the_terminal() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def ending(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
