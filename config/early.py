"""The few settings that the small parent processes need, without pydantic, which costs 25 MB and 0.2 s.

It knows only what `Settings` would say, which the tests compare; it leaves every complaint to `Settings`.
"""

import os
from collections.abc import Mapping
from pathlib import Path

#: The process that must stay our parent. The Procfile sets it to honcho's, a supervisor to its own.
PARENT_PID = "MLXQ_PARENT_PID"
#: The descriptor by which the worker asks its supervisor for the downloads.
DOWNLOADS_FD = "MLXQ_DOWNLOADS_FD"

DATA_DIR = "~/.mlxq"
REDIS_MAXMEMORY_MB = 1024
DRAIN_TIMEOUT = 4.0

#: A unix socket's path has room for 104 bytes on macOS and 108 on Linux, with the closing NUL.
SOCKET_PATH_MAX = 100

_OFF = ("0", "false", "f", "no", "n", "off")


def supervise() -> bool:
    return os.environ.get("SUPERVISE", "").lower() not in _OFF


def parent_pid() -> int | None:
    """The pid of the parent without which this process should not live; None when it may live alone."""
    value = os.environ.get(PARENT_PID, "")
    return int(value) if value.isdecimal() else None


def takes_workers(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether workers of other machines may join: there is a port for them."""
    return environment.get("JOIN_PORT", "0").strip() not in ("", "0")


def joins(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the worker works for the server of another machine."""
    return bool(environment.get("MLXQ_JOIN"))


def downloads_fd() -> int | None:
    value = os.environ.get(DOWNLOADS_FD, "")
    return int(value) if value.isdecimal() else None


def usual_data_dir() -> Path | None:
    """The data folder, if nothing else is set that concerns Redis; None when all settings have to be read."""
    if any(os.environ.get(name) for name in ("REDIS_URL", "REDIS_MAXMEMORY_MB", "DRAIN_TIMEOUT")):
        return None
    return Path(os.environ.get("MLXQ_DATA_DIR") or DATA_DIR).expanduser().absolute()


def temporary_folder() -> Path:
    """As `tempfile.gettempdir`, without its import and its look at whether it can be written to."""
    return Path(os.environ.get("TMPDIR") or "/tmp")


def redis_socket(data_dir: Path) -> Path:
    """The embedded Redis' unix socket; in the temporary folder if data_dir's name is too long for it."""
    path = data_dir / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
        return path
    import hashlib
    import tempfile

    name = f"mlxq-{os.getuid()}-{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]}"
    short = Path(tempfile.gettempdir()) / name / "redis.sock"
    return short if len(os.fsencode(short)) <= SOCKET_PATH_MAX else Path("/tmp") / name / "redis.sock"
