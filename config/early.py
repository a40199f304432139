"""The two facts that the small parent processes need, without the 25 MB that pydantic costs.

It knows SUPERVISE and MLXQ_PARENT_PID; it reads them as `Settings` would, and leaves complaining to it.
"""

import os

#: The process that must stay our parent. The Procfile sets it to honcho's, a supervisor to its own.
PARENT_PID = "MLXQ_PARENT_PID"

_OFF = ("0", "false", "f", "no", "n", "off")


def supervise() -> bool:
    return os.environ.get("SUPERVISE", "").lower() not in _OFF


def parent_pid() -> int | None:
    """The pid of the parent without which this process should not live; None when it may live alone."""
    value = os.environ.get(PARENT_PID, "")
    return int(value) if value.isdecimal() else None
