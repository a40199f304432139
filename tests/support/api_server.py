"""The API on a free port, in a thread: real sockets, so that clients can really leave.

Everything that it answers is held against its description.
"""

import asyncio
import contextlib
import socket
import threading
import time
from types import TracebackType

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.server import end_streams, listen, server
from config.settings import Settings
from jobs.client import JobClient
from tests.support.described import Described

#: Seconds after its start until the connections of a server are there, and that they may take.
_SETTLES, _CONNECTS = 0.1, 0.5


class _Server(uvicorn.Server):
    """Says when it serves, and stops sooner than uvicorn, which looks ten times a second."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app
        self.serves = threading.Event()
        self._settles_at = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None

    def still_runs(self) -> list[str]:
        """The tasks that keep it from its end."""
        return [] if self._loop is None else [repr(task) for task in asyncio.all_tasks(self._loop)]

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self.on_tick(0)
        self._settles_at = time.monotonic() + _SETTLES
        self.serves.set()
        while not self.should_exit:
            await asyncio.sleep(0.005)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does it, which pauses for a tenth of a second however long it has served.

        redis-py may lose a cancellation while it connects: tests that are over at once wait for that.
        """
        jobs: JobClient | None = self.lifespan.state.get("jobs")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CONNECTS):
                await asyncio.sleep(max(0.0, self._settles_at - time.monotonic()))
                if jobs is not None and not jobs.bus.connected.is_set():
                    await jobs.bus.connected.wait()
                    # What hears of that looks into Redis.
                    await asyncio.sleep(_SETTLES)
        end_streams(self._app)
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                while self.server_state.connections or self.server_state.tasks:
                    await asyncio.sleep(0.005)
        for task in self.server_state.tasks:
            task.cancel()
        await self.lifespan.shutdown()


class ApiServer:
    """Use as a context manager. `url` ends without a slash and without `/v1`."""

    def __init__(self, settings: Settings, app: FastAPI | None = None) -> None:
        """Answers are held against the description, except those of an `app` with other resources."""
        self._sockets = listen("127.0.0.1", 0)
        served = app or create_app(settings)
        config = server(served).config
        self._described = Described(served, served.state.addresses)
        if app is None:
            config.app = self._described
        self._server = _Server(config, served)
        self.app = served
        self._thread = threading.Thread(target=self._server.run, args=(self._sockets,), daemon=True)
        self.port: int = self._sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "ApiServer":
        self._thread.start()
        assert self._server.serves.wait(60)
        return self

    @property
    def jobs(self) -> JobClient:
        """Its own, while it runs."""
        client: JobClient = self._server.lifespan.state["jobs"]
        return client

    def stop(self) -> None:
        """Begin to stop."""
        self._server.should_exit = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join(60)
        assert not self._thread.is_alive(), self._server.still_runs()
        # A test that has failed says more than that.
        assert kind is not None or not self._described.faults, self._described.faults
