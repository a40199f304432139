"""A network namespace with one cable to this one, whose interface can be taken down: where the system allows that."""

import contextlib
import os
import secrets
import shutil
import subprocess
from functools import cache

#: The name of an interface may have fifteen characters.
_PREFIX = "mlxq"


class Namespace:
    """Use as a context manager. `address` is this side of the cable; `command` is put before what runs inside."""

    def __init__(self) -> None:
        number = secrets.randbelow(2**20)
        self.name = f"{_PREFIX}{number:x}"
        # A network of two addresses of its own, of a range that is private.
        base = number * 4
        network = [10, 128 + (base >> 16 & 63), base >> 8 & 255, base & 252]
        self.address, self._inside = (".".join(map(str, (*network[:3], network[3] + i))) for i in (1, 2))
        self.command = ("ip", "netns", "exec", self.name)

    def __enter__(self) -> "Namespace":
        inner = f"{self.name}i"
        _ip("netns", "add", self.name)
        try:
            _ip("link", "add", self.name, "type", "veth", "peer", "name", inner, "netns", self.name)
            _ip("address", "add", f"{self.address}/30", "dev", self.name)
            _ip("link", "set", self.name, "up")
            _ip("-n", self.name, "address", "add", f"{self._inside}/30", "dev", inner)
            _ip("-n", self.name, "link", "set", inner, "up")
            _ip("-n", self.name, "link", "set", "lo", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # Its end of the cable goes with it, and so does this one.
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("netns", "delete", self.name)

    def unplug(self) -> None:
        _ip("link", "set", self.name, "down")

    def plug_in(self) -> None:
        _ip("link", "set", self.name, "up")


@cache
def allowed() -> bool:
    """Whether this process may make namespaces."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        return False
    try:
        with Namespace():
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
