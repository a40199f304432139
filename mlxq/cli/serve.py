"""`mlxq serve`: this process becomes the supervisor of Redis, the API and the worker."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn


def serve(parts: Sequence[str], host: str | None, port: int | None, join_port: int | None) -> NoReturn:
    """`parts`: names of services; none for all. A host and ports win over HOST, PORT and JOIN_PORT."""
    given = {"HOST": host, "PORT": port, "JOIN_PORT": join_port}
    os.environ |= {name: str(value) for name, value in given.items() if value is not None}
    supervise(parts)


def supervise(parts: Sequence[str]) -> NoReturn:
    """Become the supervisor of these services."""
    # It starts over, so that nothing that was imported here stays for as long as the server runs.
    os.execv(sys.executable, [sys.executable, "-m", "mlxq.launch.serve", *parts])
