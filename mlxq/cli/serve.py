"""`mlxq serve`: this process becomes the supervisor of Redis, the API and the worker."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn


def serve(parts: Sequence[str], host: str | None, port: int | None) -> NoReturn:
    """`parts`: names of services; none for all. A host and a port win over HOST and PORT."""
    if host is not None:
        os.environ["HOST"] = host
    if port is not None:
        os.environ["PORT"] = str(port)
    # It starts over, so that nothing that was imported here stays for as long as the server runs.
    os.execv(sys.executable, [sys.executable, "-m", "mlxq.launch.serve", *parts])
