"""Ports for servers that tests start, stop and start again at the same address.

The kernel gives none of them to a connection or to another server meanwhile, as it may do with those that it chooses
itself. Each process of tests has a block of its own.
"""

import os
import socket
from functools import cache
from itertools import count

#: Ports that neither Linux nor macOS gives away by itself, and how many a process has.
_FIRST, _LAST, _BLOCK = 10240, 32640, 128
_next = count()


def free_port() -> int:
    return free_ports(1)


def free_ports(number: int) -> int:
    """The first of so many ports in a row."""
    for _ in range(_BLOCK):
        offset = next(_next) % (_BLOCK - number)
        port = _block().getsockname()[1] + 1 + offset
        if all(map(_is_free, range(port, port + number))):
            for _ in range(number - 1):
                next(_next)
            return int(port)
    raise AssertionError("no port is free")


@cache
def _block() -> socket.socket:
    """Bound to the port before a block, which keeps it for this process."""
    blocks = range(_FIRST, _LAST, _BLOCK)
    for number in range(len(blocks)):
        keeper = socket.socket()
        try:
            keeper.bind(("127.0.0.1", blocks[(os.getpid() + number) % len(blocks)]))
        except OSError:
            keeper.close()
        else:
            return keeper
    raise AssertionError("no block of ports is free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
