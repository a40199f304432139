"""Who connects and does not ask, or never finishes its question, does not keep others out."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn

from mlxq.gateway import http_protocol
from mlxq.gateway.http_protocol import Protocol

pytestmark = pytest.mark.anyio


async def answer(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def place() -> AsyncIterator[tuple[str, int]]:
    """Where a server listens."""
    listener = socket.create_server(("127.0.0.1", 0))
    # Else uvicorn closes connections between two requests by itself.
    config = uvicorn.Config(answer, http=Protocol, ws="none", lifespan="off", timeout_keep_alive=600)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    yield listener.getsockname()
    server.should_exit = True
    await serving


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nhost:", b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HT"]
)
async def test_it_is_cut_off(monkeypatch: pytest.MonkeyPatch, place: tuple[str, int], sent: bytes) -> None:
    monkeypatch.setattr(http_protocol, "PATIENCE", 0.5)
    reader, writer = await asyncio.open_connection(*place)
    writer.write(sent)
    async with asyncio.timeout(60):
        told = await reader.read()
    assert (b" 204 " in told) == (b"host: a" in sent)
    writer.close()


async def test_one_address_leaves_room_for_others(
    monkeypatch: pytest.MonkeyPatch, place: tuple[str, int]
) -> None:
    monkeypatch.setattr(http_protocol, "MOST_OF_ONE", 2)
    asked = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"

    async def ask(link: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bytes:
        async with asyncio.timeout(60):
            try:
                link[1].write(asked)
                return await link[0].readuntil(b"\r\n\r\n")
            except (ConnectionError, asyncio.IncompleteReadError):
                return b""

    first, second = [await asyncio.open_connection(*place) for _ in range(2)]
    assert [b" 204 " in await ask(each) for each in (first, second)] == [True, True]
    third = await asyncio.open_connection(*place)
    assert await ask(third) == b""
    assert b" 204 " in await ask(first)
    second[1].close()
    # The server sees it a moment later.
    async with asyncio.timeout(60):
        while not await ask(fourth := await asyncio.open_connection(*place)):
            fourth[1].close()
    for link in (first, third, fourth):
        link[1].close()
