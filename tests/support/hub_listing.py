"""A model hub on loopback that lists models as the Hugging Face hub does when huggingface_hub asks it.

It filters, searches, sorts and pages as the hub does. Everything that was asked for is in `requests`.
"""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

#: Models in one page.
PAGE = 2
#: The hub's fields that are always there; others have to be asked for.
_ALWAYS = ("_id", "id")


def listed(model_id: str, pipeline: str | None = "text-generation", **more: Any) -> dict[str, Any]:
    """A model as the hub tells of it."""
    return {
        "_id": f"{abs(hash(model_id)):024x}"[:24],
        "id": model_id,
        "author": model_id.partition("/")[0],
        "createdAt": "2024-12-01T10:00:00.000Z",
        "lastModified": "2025-01-01T12:00:00.000Z",
        "downloads": 0,
        "likes": 0,
        "library_name": "mlx",
        "pipeline_tag": pipeline,
        "tags": ["mlx"],
        "trendingScore": 0,
        "gated": False,
        **more,
    }


@dataclass(frozen=True)
class Asked:
    path: str
    query: dict[str, list[str]]
    authorization: str | None


class HubListing:
    """Use as a context manager. `models` may be changed at any time; `status` is the answer to everything, if set."""

    def __init__(self, *models: dict[str, Any]) -> None:
        self.models = list(models)
        self.requests: list[Asked] = []
        self.status: int | None = None
        #: what is sent instead of JSON
        self.garbage: bytes | None = None
        #: set it to let answers go that wait while it is not
        self.go = threading.Event()
        self.go.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "HubListing":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)

    def found(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        wanted = {tag for tags in query.get("filter", []) for tag in tags.split(",")}
        words = " ".join(query.get("search", [])).lower().split()
        found = [
            model
            for model in self.models
            if wanted <= set(model["tags"])
            and all(word in model["id"].lower() for word in words)
            and query.get("pipeline_tag", [model["pipeline_tag"]]) == [model["pipeline_tag"]]
        ]
        key = query.get("sort", ["trendingScore"])[0]
        return sorted(found, key=lambda model: model[key], reverse=True)


def _handler(hub: HubListing) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            hub.requests.append(Asked(parts.path, query, self.headers.get("authorization")))
            hub.go.wait(60)
            if hub.status is not None:
                self._send({"error": "as told"}, hub.status)
            elif parts.path == "/api/models":
                self._page(query)
            else:
                self._one(parts.path.removeprefix("/api/models/"), query)

        def _page(self, query: dict[str, list[str]]) -> None:
            start, limit = int(query.get("cursor", ["0"])[0]), int(query.get("limit", ["1000"])[0])
            found = hub.found(query)
            end = min(start + PAGE, limit)
            headers = {}
            if end < min(len(found), limit):
                more = urlencode({**query, "cursor": [str(end)]}, doseq=True)
                headers["Link"] = f'<{hub.url}/api/models?{more}>; rel="next"'
            self._send([_expanded(model, query) for model in found[start:end]], headers=headers)

        def _one(self, model_id: str, query: dict[str, list[str]]) -> None:
            for model in hub.models:
                if model["id"] == model_id:
                    self._send(_expanded(model, query))
                    return
            headers = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            self._send({"error": "Repository not found"}, 404, headers)

        def _send(self, value: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
            body = json.dumps(value).encode() if hub.garbage is None else hub.garbage
            self.send_response(status)
            for name, text in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _expanded(model: dict[str, Any], query: dict[str, list[str]]) -> dict[str, Any]:
    """Only what was asked for, as the hub does it."""
    wanted = query.get("expand")
    return {key: value for key, value in model.items() if not wanted or key in (*_ALWAYS, *wanted)}
