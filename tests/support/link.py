"""A way to a server of this machine that can be cut in the middle of a transfer."""

import contextlib
import socket
import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Literal

#: As seen by the client.
Direction = Literal["sent", "received"]


class Link:
    """A TCP proxy. Use as a context manager; `port` is where it listens, `target` where it leads."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._cut: tuple[Direction, int, Callable[[], None]] | None = None
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Link":
        self._begin(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._close(*list(self._open))
        for thread in self._threads:
            thread.join(60)

    def cut_after(self, direction: Direction, size: int, then: Callable[[], None] = lambda: None) -> None:
        """Cut the connection that carries the last of so many bytes. `then` is called before anybody notices."""
        self._cut = (direction, size, then)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=60)
            except OSError:
                client.close()
                continue
            self._open |= {client, server}
            self._begin(partial(self._carry, client, server, "sent"))
            self._begin(partial(self._carry, server, client, "received"))

    def _begin(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _carry(self, source: socket.socket, goal: socket.socket, direction: Direction) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                rest = self._allowed(direction, len(data))
                goal.sendall(data[:rest])
                if rest < len(data):
                    break
        self._close(source, goal)

    def _allowed(self, direction: Direction, size: int) -> int:
        """How many of the next bytes get through."""
        with self._lock:
            if self._cut is None or self._cut[0] != direction:
                return size
            _, left, then = self._cut
            if size < left:
                self._cut = (direction, left - size, then)
                return size
            self._cut = None
            then()
            return min(left, size - 1)

    def _close(self, *sockets: socket.socket) -> None:
        for each in sockets:
            self._open.discard(each)
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
