"""Which machine a process runs on, where several share a queue: names of hosts may be the same.

A machine is a host name and a number in its data folder. Copies of the folder on other hosts, and hosts that share
one, are machines of their own.
"""

import contextlib
import secrets
import socket
from pathlib import Path

_FILE = "machine"


def machine_of(folder: Path) -> str:
    """The name of the machine whose data folder this is."""
    return f"{socket.gethostname()}.{_number(folder / _FILE)}"


def _number(path: Path) -> str:
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(f".{secrets.token_hex(4)}")
        new.write_text(secrets.token_hex(8))
        with contextlib.suppress(FileExistsError):
            # Whole from the first moment on, and only once.
            path.hardlink_to(new)
        new.unlink()
        return path.read_text().strip()
    return ""
