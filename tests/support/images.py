"""Pictures that tests send, and a small web server that has some."""

import base64
import io
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from PIL import Image


def picture(seed: int = 1, width: int = 80, height: int = 60) -> Image.Image:
    """A colourful picture; others with other seeds."""
    linear: Any = Image.linear_gradient
    radial: Any = Image.radial_gradient
    red = linear("L").resize((width, height))
    green = radial("L").resize((width, height)).rotate(90 * seed)
    blue = Image.new("L", (width, height), (seed * 67) % 256)
    return Image.merge("RGB", (red.rotate(37 * seed), green, blue))


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def part(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


Answer = Callable[[BaseHTTPRequestHandler], None]


def _missing(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(404)


class Web:
    """A web server on loopback. Use as a context manager; `answers` says what each path does."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        #: the paths and Host headers that were asked for
        self.asked: list[tuple[str, str]] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append((self.path, self.headers["host"]))
                web.answers.get(self.path, _missing)(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.port: int = self._server.server_address[1]

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def serve(self, path: str, data: bytes, status: int = 200, **headers: str) -> str:
        """Answer with these bytes. Returns the address."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.send_header("content-length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)

        self.answers[path] = answer
        return self.url(path)

    def redirect(self, path: str, location: str) -> str:
        return self.serve(path, b"", 302, location=location)

    def __enter__(self) -> "Web":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)
