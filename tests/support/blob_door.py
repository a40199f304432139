"""The gateway's routes for blobs on a free port, in a thread, for one worker."""

import socket
import threading
from types import TracebackType

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from jobs.blobs import BlobStore
from jobs.errors import MlxqError, Unauthorized
from mlxq.gateway.blobs import blob_routes

ACCOUNT = ("laptop", "token")


class _Server(uvicorn.Server):
    """Cuts its connections at its end."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


class BlobDoor:
    """Use as a context manager. `inputs` are the blobs that the worker's jobs name; `asked` is what it asked for."""

    def __init__(self, blobs: BlobStore, inputs: set[str]) -> None:
        self.inputs = inputs
        self.asked: list[str] = []
        app = Starlette(
            routes=blob_routes(blobs, self._worker, self._inputs_of), exception_handlers={MlxqError: _refuse}
        )
        self._app = app
        self._start()

    def _start(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        config = uvicorn.Config(self._app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        self._server = _Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="blob-door", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """What is on its way is lost."""
        self._server.should_exit = True
        self._thread.join(60)

    def restart(self) -> None:
        """The same on another port."""
        self.stop()
        self._start()

    def __enter__(self) -> "BlobDoor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _worker(self, request: Request) -> str:
        self.asked.append(f"{request.method} {request.headers.get('range', '')}".strip())
        if "authorization" not in request.headers:
            raise Unauthorized("This worker has not joined.")
        return ACCOUNT[0]

    async def _inputs_of(self, worker: str) -> set[str]:
        assert worker == ACCOUNT[0]
        return self.inputs


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, MlxqError)
    return Response(msgspec.json.encode({"error": error.fields()}), error.status)
