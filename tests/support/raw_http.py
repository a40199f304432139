"""HTTP on a bare socket, for what no client library would send."""

import contextlib
import json
import socket
from typing import Any


def connect(port: int, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((host, port), timeout=60)


def request(
    path: str = "/health",
    body: object = None,
    *,
    method: str = "",
    version: str = "1.1",
    headers: dict[str, str] | None = None,
) -> bytes:
    """The bytes of a request; a body is JSON unless it is bytes."""
    raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"host": "localhost", **({"content-length": str(len(raw))} if raw else {}), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method or ('POST' if raw else 'GET')} {path} HTTP/{version}\r\n{head}\r\n".encode() + raw


def read_all(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(65536):
            found += data
    return found


def read_head(connection: socket.socket) -> bytes:
    found = b""
    while b"\r\n\r\n" not in found:
        data = connection.recv(65536)
        assert data, found
        found += data
    return found


def read_answer(connection: socket.socket) -> bytes:
    """One response that tells its length."""
    found = read_head(connection)
    _, headers, body = parts(found)
    while len(body) < int(headers["content-length"]):
        data = connection.recv(65536)
        assert data, found
        found, body = found + data, body + data
    return found


def parts(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by their names in lower case, and body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return int(first.split(" ")[1]), {name.lower(): value for name, value in pairs}, body


def error(answer: bytes) -> tuple[int, dict[str, Any]]:
    """Status and error object."""
    status, _, body = parts(answer)
    return status, json.loads(body)["error"]
