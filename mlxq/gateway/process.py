"""The process of the gateway: both of its sides, until it is told to stop."""

import logging
import signal
import socket
from functools import partial

import redis.asyncio
import uvicorn
import uvloop
from starlette.requests import Request
from starlette.routing import Route

from config.logs import configure_logging
from config.settings import Settings, load_settings
from jobs.blobs import blob_store
from jobs.live_settings import at_start
from jobs.redis.connection import async_connection
from jobs.shared_log import SharedLog
from mlxq.gateway.app import create_app, session_of
from mlxq.gateway.blobs import blob_routes, claimed_inputs
from mlxq.gateway.certificate import Certificate, certificate_of
from mlxq.gateway.discovery import announced
from mlxq.gateway.guard import Guard
from mlxq.gateway.http_protocol import Protocol
from mlxq.gateway.watch import Watch
from mlxq.launch.open_files import allow_many_files
from mlxq.launch.process import WRONG_SETTING, say, stop_with_parent

log = logging.getLogger("gateway")

#: Requests of workers that are served at the same time, and seconds that they have to end after a stop.
_MOST, _GRACE = 256, 3
_BACKLOG = 128


def main() -> int:
    settings = at_start(load_settings())
    configure_logging(settings.log_level, "gateway")
    if not settings.join_port:
        say("JOIN_PORT is not set: no worker of another machine may join")
        return WRONG_SETTING
    SharedLog(settings, "gateway").start()
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # Uvicorn raises its signal again when it has stopped: by then it has been obeyed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    stop_with_parent()
    allow_many_files()
    try:
        certificate = certificate_of(settings.data_dir)
    except (OSError, ValueError) as error:
        say(f"the certificate of the gateway can't be used ({type(error).__name__})")
        return WRONG_SETTING
    try:
        return uvloop.run(serve(settings, certificate))
    except OSError as error:
        say(f"JOIN_PORT={settings.join_port}: cannot listen there ({error.strerror or error})")
        return WRONG_SETTING


async def serve(settings: Settings, certificate: Certificate) -> int:
    """Until SIGINT or SIGTERM. Raises OSError where it can't listen."""
    redis_port = settings.join_port + 1
    sockets = [listen(settings.join_host, port) for port in (settings.join_port, redis_port)]
    async with async_connection(settings.redis_address) as client:
        guard = Guard(settings, certificate, client)
        watch = Watch(guard)
        await watch.side.start(sockets[1], certificate.context())
        config = uvicorn.Config(
            create_app(guard, redis_port, files_of_jobs(settings, client)),
            ssl_context_factory=lambda *_: certificate.context(),
            access_log=False,
            log_config=None,
            http=Protocol,
            ws="none",
            lifespan="off",
            server_header=False,
            limit_concurrency=_MOST,
            timeout_graceful_shutdown=_GRACE,
        )
        watch.start()
        log.info("workers of other machines may join at port %d", settings.join_port)
        try:
            async with announced(settings.join_host, settings.join_port, certificate.fingerprint):
                await uvicorn.Server(config).serve(sockets[:1])
        finally:
            await watch.close()
    return 0


def files_of_jobs(settings: Settings, client: redis.asyncio.Redis) -> list[Route]:
    """The routes of blobs for workers that have joined."""

    async def worker_of(request: Request) -> str:
        return (await session_of(request)).worker

    return blob_routes(blob_store(settings), worker_of, partial(claimed_inputs, client))


def listen(host: str, port: int) -> socket.socket:
    """At the first address of this name. Raises OSError."""
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    # A machine that has left without a word is noticed; accepted connections inherit it.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return listener
