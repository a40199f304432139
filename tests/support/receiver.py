"""A receiver of webhooks on loopback: it answers as it is told, and keeps what it was sent."""

import json
import queue
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import openai
from standardwebhooks.webhooks import Webhook

SECRET = "whsec_bWx4cSB0ZXN0cyBvZiB3ZWJob29rcyBzZWNyZXQ="


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        return json.loads(self.body)

    def verified(self, secret: str = SECRET) -> Any:
        """The event, once two libraries have found its signature right. OpenAI's gives it a type."""
        assert Webhook(secret).verify(self.body, self.headers) == self.event
        with openai.OpenAI(api_key="any", webhook_secret=secret) as client:
            return client.webhooks.unwrap(self.body, self.headers)


class Receiver:
    """Use as a context manager. `usual` is the status of what it answers.

    `answers` are those of the next requests, `by_path` those of addresses that end so.
    """

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.by_path: dict[str, int] = {}
        self.usual = 200
        self.headers: dict[str, str] = {}
        #: cleared: requests are not answered
        self.go = threading.Event()
        self.go.set()
        self.came: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self.all: list[Received] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.take(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """Who has sent something may have left."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks/secret-path"

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["content-length"]))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        received = Received(handler.path, headers, body)
        self.all.append(received)
        self.came.put(received)
        self.go.wait(60)
        usual = self.by_path.get(handler.path.rpartition("/")[2], self.usual)
        handler.send_response(self.answers.pop(0) if self.answers else usual)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", "0")
        handler.end_headers()

    def next(self, timeout: float = 60) -> Received:
        return self.came.get(timeout=timeout)

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)
