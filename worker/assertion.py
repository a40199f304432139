"""Keeps the machine awake: a process of the operating system's own command, for as long as there is work.

It knows a command. It does not know what work is.
"""

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

#: Seconds without work after which the machine may sleep: jobs that follow each other need one process.
QUIET = 10.0
#: Seconds after which a command that has ended too soon is tried again.
_AGAIN = 600.0


class PowerAssertion:
    """Call `settle` every few seconds and `close` at the end. Not thread-safe."""

    def __init__(self, command: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._command = command
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._needed_at = float("-inf")
        self._failed_at = float("-inf")

    @property
    def held(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def settle(self, *, works: bool) -> None:
        """Hold it while there is work, and for a while after."""
        now = self._clock()
        if works:
            self._needed_at = now
        if now - self._needed_at >= QUIET:
            self.close()
        elif not self.held and now - self._failed_at >= _AGAIN:
            self._start(now)

    def close(self) -> None:
        """The machine may sleep."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)

    def _start(self, now: float) -> None:
        if self._process is not None:
            log.info("the machine can't be kept awake: %s has ended", self._command[0])
            self._process, self._failed_at = None, now
            return
        try:
            # A session of its own: Ctrl-C in the terminal ends it no sooner than the work.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            log.info("the machine can't be kept awake: %s: %s", self._command[0], error.strerror)
            self._failed_at = now
