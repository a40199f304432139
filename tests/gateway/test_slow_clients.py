"""Who connects and does not ask, or never finishes its question, does not keep others out."""

import asyncio
import socket

import pytest
import uvicorn

from mlxq.gateway import http_protocol
from mlxq.gateway.http_protocol import Protocol

pytestmark = pytest.mark.anyio


async def answer(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nhost:", b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HT"]
)
async def test_it_is_cut_off(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(http_protocol, "PATIENCE", 0.1)
    listener = socket.create_server(("127.0.0.1", 0))
    # Else uvicorn closes connections between two requests by itself.
    config = uvicorn.Config(answer, http=Protocol, ws="none", lifespan="off", timeout_keep_alive=600)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(sent)
        async with asyncio.timeout(60):
            told = await reader.read()
        assert (b" 204 " in told) == (b"host: a" in sent)
        writer.close()
    finally:
        server.should_exit = True
        await serving
