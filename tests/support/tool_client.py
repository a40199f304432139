"""The official client of the Model Context Protocol, in both eras of the protocol."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ImageContent, ResourceLink, TextContent

#: With sessions, and without.
ERAS = ("legacy", "auto")


@asynccontextmanager
async def tool_client(url: str, mode: str = "auto", **headers: str) -> AsyncIterator[Client]:
    """A client of `/mcp` at this server."""
    timeout = httpx2.Timeout(30, read=60)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=timeout) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


def texts(result: CallToolResult) -> str:
    return "\n".join(each.text for each in result.content if isinstance(each, TextContent))


def images(result: CallToolResult) -> list[ImageContent]:
    return [each for each in result.content if isinstance(each, ImageContent)]


def links(result: CallToolResult) -> list[str]:
    return [str(each.uri) for each in result.content if isinstance(each, ResourceLink)]
