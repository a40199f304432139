"""What a process of mlxq has to do with the process that started it: lines for the user, exit codes, its parent.

It imports little: the supervisor, which costs 8 MB, uses it. With MLXQ_PARENT_PID set, the loss of that parent is a
stop: a terminal that closes ends honcho, and no other process.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from typing import NoReturn

from config import early

#: What a process exits with when a setting is wrong: starting it again cannot help.
WRONG_SETTING = 2

#: Seconds between two looks at the parent.
_TICK = 1.0


def say(text: str) -> None:
    """One line on stderr. A reader that is gone must not end a process that supervises others."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"mlxq: {text}\n")
        sys.stderr.flush()


def parent_is_gone() -> bool:
    """Whether the process named by MLXQ_PARENT_PID has died."""
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
