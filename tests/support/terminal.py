"""A terminal without a screen: a program on a pty, and what it would show."""

import contextlib
import fcntl
import os
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Sequence

import pyte

from tests.support.system import REPO

#: What keys send. Others send themselves.
_KEYS = {"Up": "\x1b[A", "Down": "\x1b[B", "Space": " ", "Enter": "\r"}
#: Without the size of the terminal that the tests run in.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}


class Terminal:
    """Use it and `close` it, which ends the program."""

    def __init__(self, command: Sequence[str], columns: int = 160, lines: int = 30) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = threading.Condition()
        self._own, its = os.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._program = subprocess.Popen(
            command,
            stdin=its,
            stdout=its,
            stderr=its,
            cwd=REPO,
            env={**_ENVIRONMENT, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(its)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        """On a thread of its own, to the end of the program."""
        # Linux reports the end of the other side as an error.
        with contextlib.suppress(OSError):
            while data := os.read(self._own, 65536):
                with self._changed:
                    self._stream.feed(data)
                    self._changed.notify_all()

    def press(self, key: str) -> None:
        os.write(self._own, _KEYS.get(key, key).encode())

    def until(self, condition: Callable[[str], bool], timeout: float = 60) -> str:
        """The text that is shown, as soon as it is as it should be."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not condition(shown := "\n".join(self._screen.display)):
                assert self._changed.wait(deadline - time.monotonic()), shown
            return shown

    def ended(self, timeout: float = 60) -> int:
        """Wait for the end of the program. Its exit code."""
        return self._program.wait(timeout)

    def close(self) -> None:
        self._program.kill()
        self._program.wait()
        # The reader ends by itself, as nobody has the other side any more.
        self._reader.join(60)
        os.close(self._own)
