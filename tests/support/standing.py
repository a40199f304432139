"""Processes that stand still."""

import os
import signal
import subprocess


def stand_still(process: "subprocess.Popen[bytes]") -> None:
    """Stop it until it gets SIGCONT. When this returns, all its threads have stopped: the signal alone is too early.

    On a busy machine its threads went on for up to 15 ms, until the one that got the signal had its turn.
    """
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
