"""A client that has closed its side of a connection: does it still read the answer, or has it left?

TCP tells both in the same way, by a FIN. The client's own kernel knows: it answers bytes that nobody can read any
more with a reset. The byte that is sent here to learn that is urgent data (RFC 9293, 3.8.5), which is no part of the
stream that a client reads. It is sent once a connection: a second one could push the first into the stream.

A relay of TCP that passes the FIN on and reads further itself looks like a client that does. What its client has left
is found out by the first byte of the answer.
"""

import asyncio
import socket

#: Seconds after the byte at which the kernel is asked for a reset: at once on this machine, later over a network.
_LOOKS = (0.0, 0.02, 0.1, 0.5, 2.0)


def drop_if_nobody_reads(transport: asyncio.Transport) -> None:
    """Aborts the transport as soon as it is known that its client has left."""
    if not _ask(transport):
        transport.abort()
        return
    loop = asyncio.get_running_loop()
    for delay in _LOOKS[1:]:
        loop.call_later(delay, _look, transport)


def _ask(transport: asyncio.Transport) -> bool:
    """False: the client has left."""
    with _Borrowed(transport) as connection:
        try:
            connection.send(b"\0", socket.MSG_OOB)
        except BlockingIOError:
            return True  # bytes of the answer wait in the kernel: their fate will tell
        except OSError:
            return False
        return not connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def _look(transport: asyncio.Transport) -> None:
    if transport.is_closing():
        return
    with _Borrowed(transport) as connection:
        left = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if left:
        transport.abort()


class _Borrowed:
    """The transport's socket as a plain one, which uvloop's stand-in is not; it is given back, not closed."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._socket = socket.socket(fileno=transport.get_extra_info("socket").fileno())

    def __enter__(self) -> socket.socket:
        return self._socket

    def __exit__(self, *_: object) -> None:
        self._socket.detach()
