"""Notifications on this Mac when long jobs end. It knows `osascript`, and nothing where that is not installed.

What clients say is an argument of the program, never a part of its script.
"""

import contextlib
import logging
import shutil
import subprocess
import time

from jobs.consumer.execution import Execution
from jobs.gate import Ending
from jobs.job_log import word

log = logging.getLogger(__name__)

_PROGRAM = "osascript"
#: Shows its second argument under the title that is the first.
_SCRIPT = """on run arguments
display notification (item 2 of arguments) with title (item 1 of arguments)
end run"""
#: The first argument, which can't be taken for an option.
_TITLE = "mlxq"
#: Seconds between two notifications: what ends meanwhile has none.
_PAUSE = 5.0
_LONGEST_NAME = 48


class Notifier:
    """Of one consumed queue. Calls of `ended` come from one thread, and never block."""

    def __init__(self, after: float) -> None:
        """`after`: seconds that a job must have run; 0: no notifications."""
        self._after = after
        self._path = shutil.which(_PROGRAM) if after else None
        self._running: subprocess.Popen[bytes] | None = None
        self._shown_at = float("-inf")

    def ended(self, execution: Execution, ending: Ending) -> None:
        """The end of this execution has been written."""
        now = time.monotonic()
        if self._path is None or execution.began is None or now - execution.began < self._after:
            return
        cancelled = ending.result is None and ending.error is None
        busy = self._running is not None and self._running.poll() is None
        if cancelled or busy or now - self._shown_at < _PAUSE:
            return
        self._shown_at = now
        try:
            self._running = subprocess.Popen(
                [self._path, "-e", _SCRIPT, _TITLE, _text(execution, ending, now - execution.began)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            log.warning("no notification could be shown (%s)", type(error).__name__)

    def close(self) -> None:
        """Wait for the one that is being shown."""
        if self._running is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._running.wait(_PAUSE)


def _text(execution: Execution, ending: Ending, seconds: float) -> str:
    claim = execution.claim
    model = word(claim.model.rsplit("/", 1)[-1], _LONGEST_NAME)
    app = f" for {word(claim.app, _LONGEST_NAME)}" if claim.app else ""
    outcome = "failed" if ending.error is not None else "done"
    return f"{claim.kind} by {model}{app}: {outcome} after {_duration(seconds)}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
