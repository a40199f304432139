"""Any bytes on a connection: pieces of HTTP in every order, cut anywhere. The server answers the next request."""

import contextlib
import logging
import random
import socket

import httpx
import pytest

from tests.api.conftest import MakeSettings
from tests.support.api_server import ApiServer
from tests.support.raw_http import connect

METHODS = ("GET", "POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "TRACE", "PRI", "get")
TARGETS = (
    "/",
    "/health",
    "/ws/v1/tts",
    "//ws/v1/tts/",
    "/v1/chat/completions",
    "/v1/jobs/x/events?after=1-1",
    "http://localhost/health",
    "localhost:80",
    "*",
    "/%00",
    "/a%2f..",
    "/" * 50,
)
HEADERS = (
    "host: localhost",
    "connection: Upgrade",
    "connection: keep-alive, upgrade",
    "connection: close",
    "upgrade: websocket",
    "upgrade: h2c",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version: 13",
    "content-length: 5",
    "content-length: 0",
    "transfer-encoding: chunked",
    "content-encoding: gzip",
    "content-type: multipart/form-data; boundary=x",
    "content-type: application/json",
    "expect: 100-continue",
    "x-forwarded-for: 192.0.2.7, nobody",
    'forwarded: for="[::1]";proto=https',
    "x: \xff",
)
BODIES = (
    b"",
    b"hello",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"{}",
    b'--x\r\ncontent-disposition: form-data; name="file"\r\n\r\na\r\n--x--',
    b"\x81\x85abcdabcde",
    b"zz\r\n",
)
ENDS = ("\r\n", "\r\n", "\r\n", "\n", "")


def sent(chance: random.Random) -> bytes:
    """Some requests, each more or less."""
    whole = b""
    for _ in range(chance.choice((1, 1, 2, 5))):
        version = chance.choice(("1.1", "1.1", "1.0", "0.9", "2.0"))
        lines = [f"{chance.choice(METHODS)} {chance.choice(TARGETS)} HTTP/{version}"]
        lines += chance.sample(HEADERS, chance.randint(0, 8))
        head = "".join(f"{line}\r\n" for line in lines) + chance.choice(ENDS)
        whole += head.encode("latin-1") + chance.choice(BODIES)
    return whole[: chance.randint(0, len(whole))] if chance.random() < 0.2 else whole


@pytest.mark.parametrize("seed", range(4))
def test_any_bytes(make_settings: MakeSettings, caplog: pytest.LogCaptureFixture, seed: int) -> None:
    chance = random.Random(seed)
    times = {"head_timeout": 0.5, "body_timeout": 0.5, "keep_alive_timeout": 0.5}
    with ApiServer(make_settings(max_connections=30, **times)) as api:
        open_ones: list[socket.socket] = []
        for _ in range(60):
            data = sent(chance)
            with contextlib.suppress(OSError):
                client = connect(api.port)
                open_ones.append(client)
                step = max(1, len(data) // chance.randint(1, 4))
                for start in range(0, len(data), step):
                    client.sendall(data[start : start + step])
                if chance.random() < 0.3:
                    client.shutdown(socket.SHUT_WR)
                client.settimeout(0.02)
                client.recv(65536)
            if chance.random() < 0.5:
                open_ones.pop().close()
        assert httpx.get(f"{api.url}/", timeout=60).status_code == 200
        for client in open_ones:
            client.close()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
