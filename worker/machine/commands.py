"""Runs the operating system's own commands for what they print. It does not know what they tell."""

import logging
import subprocess
from collections.abc import Sequence

log = logging.getLogger(__name__)

#: Seconds that a command may take.
_PATIENCE = 5.0


def printed(command: Sequence[str]) -> bytes | None:
    """What a command prints; None where it is not there, fails or hangs."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.debug("%s: %s", command[0], error)
        return None
    return done.stdout
