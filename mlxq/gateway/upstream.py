"""A raw connection to the Redis of this installation, for one connection of a joined worker."""

import asyncio
import ssl
from typing import Any

import hiredis
from redis.connection import SSLConnection, parse_url

from jobs.redis.connection import ANSWER_TIMEOUT, CONNECT_TIMEOUT
from mlxq.gateway.filter import pack

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Unreachable(Exception):
    """Redis is not there, or does not let this process in."""


async def connect(address: str) -> Streams:
    """An open connection, as the user of the address. Raises Unreachable."""
    options: dict[str, Any] = parse_url(address)  # type: ignore[no-untyped-call]
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            reader, writer = await _open(options)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await _introduce(reader, writer, options)
        except BaseException:
            writer.close()
            raise
    except (OSError, TimeoutError, hiredis.HiredisError) as error:
        raise Unreachable(type(error).__name__) from error
    return reader, writer


async def _open(options: dict[str, Any]) -> Streams:
    if "path" in options:
        return await asyncio.open_unix_connection(options["path"])
    host, port = options.get("host", "localhost"), options.get("port", 6379)
    return await asyncio.open_connection(host, port, ssl=_context(options))


def _context(options: dict[str, Any]) -> ssl.SSLContext | None:
    """As redis-py makes it of the same address."""
    if options.get("connection_class") is not SSLConnection:
        return None
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    if options.get("ssl_cert_reqs") == "none" or options.get("ssl_check_hostname") is False:
        context.check_hostname = False
    if options.get("ssl_cert_reqs") == "none":
        context.verify_mode = ssl.CERT_NONE
    if options.get("ssl_certfile"):
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    return context


async def _introduce(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, options: dict[str, Any]
) -> None:
    commands = []
    if options.get("password"):
        words = (options.get("username"), options["password"])
        commands.append(("AUTH", *(word for word in words if word)))
    if options.get("db"):
        commands.append(("SELECT", str(options["db"])))
    for command in commands:
        writer.write(pack(*(word.encode() for word in command)))
        if not (await reader.readline()).startswith(b"+OK"):
            raise Unreachable("Redis refuses the user of the gateway.")
