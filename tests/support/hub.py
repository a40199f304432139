"""A model hub on loopback that speaks the Hugging Face hub's protocol, and ModelScope's, and can misbehave.

Large files (`LARGE` bytes and more) are kept as the hub keeps them: `resolve` redirects to another host, which
serves byte ranges. Everything that was asked for is in `requests`, with the bytes that went out.
"""

import hashlib
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

#: From this size on a file is an LFS file.
LARGE = 4096
#: Files in one page of a listing.
PAGE = 3
_PIECE = 16 * 1024


@dataclass
class Asked:
    """One request: where a range began, what went out, and who asked."""

    method: str
    path: str
    host: str
    start: int = 0
    sent: int = 0
    authorization: str | None = None
    cookie: str | None = None


@dataclass
class File:
    path: str
    content: bytes
    #: what is really sent, when the hub is to lie
    served: bytes | None = None

    @property
    def large(self) -> bool:
        return len(self.content) >= LARGE

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def oid(self) -> str:
        """Git's name of the content; of a large file that of its pointer."""
        content = self.content
        if self.large:
            content = (
                f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(content)}\n"
            ).encode()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Faults:
    """What goes wrong. Counts are used up."""

    #: statuses that the next requests get, whatever they ask for
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    #: the next answers with a file break off after so many bytes
    drops: list[int] = field(default_factory=list)
    #: answers with a file stop at this place of the file until `go` is set
    hold_at: int | None = None
    #: bytes of a piece, and seconds between two
    slow: tuple[int, float] | None = None
    #: ranges are ignored
    no_ranges: bool = False


class Hub:
    """Use as a context manager. `url` is the endpoint for both protocols."""

    def __init__(self) -> None:
        self.models: dict[str, dict[str, File]] = {}
        self.private: dict[str, str] = {}
        self.gated: set[str] = set()
        #: where questions for lists and details are sent on to
        self.listing: str | None = None
        self.requests: list[Asked] = []
        self.faults = Faults()
        self.go = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Hub":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)

    def add(self, repo_id: str, files: dict[str, bytes]) -> None:
        self.models[repo_id] = {path: File(path, content) for path, content in files.items()}

    def add_folder(self, repo_id: str, folder: Path) -> None:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        self.add(repo_id, {str(path.relative_to(folder)): path.read_bytes() for path in files})

    def commit(self, repo_id: str) -> str:
        text = json.dumps([(file.path, file.sha256) for file in self.models[repo_id].values()])
        return hashlib.sha1(text.encode()).hexdigest()

    def sent(self, path: str) -> int:
        """Bytes of this file that went out, in all answers together."""
        with self._lock:
            return sum(asked.sent for asked in self.requests if asked.path.endswith(path))

    def starts(self, path: str) -> list[int]:
        """Where the requests for this file began."""
        with self._lock:
            return [each.start for each in self.requests if each.path.endswith(path) and each.sent]

    def counts(self) -> Counter[str]:
        """Answers with bytes of a file, by its path."""
        with self._lock:
            return Counter(asked.path.rpartition("/")[2] for asked in self.requests if asked.sent)

    def forget(self) -> None:
        """As if nothing had been asked or broken yet."""
        with self._lock:
            self.requests.clear()
        self.faults, self.go = Faults(), threading.Event()

    def go_on(self, place: int) -> None:
        """Send what is held, up to this place of the file."""
        before, self.go = self.go, threading.Event()
        self.faults.hold_at = place
        before.set()

    def note(self, asked: Asked) -> None:
        with self._lock:
            self.requests.append(asked)

    def fault(self, name: str) -> Any:
        """The next fault of this kind, used up; None without one."""
        with self._lock:
            left: list[Any] = getattr(self.faults, name)
            return left.pop(0) if left else None


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        pass

    Handler.hub = hub
    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub, parts = self.hub, urlsplit(self.path)
        path, query = unquote(parts.path), parse_qs(parts.query)
        self.asked = Asked(
            self.command,
            path,
            self.headers.get("host", ""),
            authorization=self.headers.get("authorization"),
            cookie=self.headers.get("cookie"),
        )
        hub.note(self.asked)
        if fault := hub.fault("answers"):
            self._empty(*fault)
            return
        try:
            if path.startswith("/api/v1/models/"):
                self._modelscope(path.removeprefix("/api/v1/models/"), query)
            elif hub.listing and path.startswith("/api/models") and not path.startswith(self._own):
                self._empty(302, {"Location": hub.listing + self.path})
            elif path.startswith("/api/models/"):
                self._api(path.removeprefix("/api/models/"), query)
            elif path.startswith("/cdn/"):
                _, _, org, name, file = path.split("/", 4)
                self._content(hub.models[f"{org}/{name}"][file], {"etag": '"elsewhere"'})
            else:
                self._resolve(path)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    @property
    def _own(self) -> tuple[str, ...]:
        """How the addresses begin that tell of this hub's models."""
        return tuple(f"/api/models/{repo_id}" for repo_id in self.hub.models)

    # -- the Hugging Face hub ------------------------------------------------------------------------------------

    def _allowed(self, repo_id: str) -> bool:
        token = self.hub.private.get(repo_id)
        if repo_id in self.hub.gated:
            self._empty(
                403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to model is restricted."}
            )
        elif token is not None and self.asked.authorization is None:
            self._empty(401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        elif repo_id not in self.hub.models or (token and self.asked.authorization != f"Bearer {token}"):
            status = 401 if self.asked.authorization is None else 404
            self._empty(status, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        else:
            return True
        return False

    def _api(self, rest: str, query: dict[str, list[str]]) -> None:
        org, name, *more = rest.split("/")
        repo_id = f"{org}/{name}"
        if not self._allowed(repo_id):
            return
        files, commit = self.hub.models[repo_id], self.hub.commit(repo_id)
        if more[:1] != ["tree"]:
            siblings = [{"rfilename": path} for path in files]
            self._json({"id": repo_id, "modelId": repo_id, "sha": commit, "siblings": siblings, "tags": []})
            return
        start = int(query.get("cursor", ["0"])[0])
        rows = []
        for file in list(files.values())[start : start + PAGE]:
            row: dict[str, Any] = {
                "type": "file",
                "path": file.path,
                "size": len(file.content),
                "oid": file.oid,
            }
            if file.large:
                row["lfs"] = {"oid": file.sha256, "size": len(file.content), "pointerSize": 130}
            rows.append(row)
        headers = {}
        if start + PAGE < len(files):
            page = f"{self.hub.url}/api/models/{rest}?recursive=True&cursor={start + PAGE}"
            headers["Link"] = f'<{page}>; rel="next"'
        self._json(rows, headers)

    def _resolve(self, path: str) -> None:
        org, name, resolve, commit, file_path = [*path.strip("/").split("/", 4), "", "", "", "", ""][:5]
        repo_id = f"{org}/{name}"
        if resolve != "resolve":
            self._empty(404, {})
            return
        if not self._allowed(repo_id):
            return
        file = self.hub.models[repo_id].get(file_path)
        if file is None or commit not in ("main", self.hub.commit(repo_id)):
            self._empty(404, {"X-Error-Code": "EntryNotFound"})
            return
        headers = {"X-Repo-Commit": self.hub.commit(repo_id), "ETag": f'"{file.oid}"'}
        if not file.large:
            self._content(file, headers)
            return
        headers |= {
            "X-Linked-Etag": f'"{file.sha256}"',
            "X-Linked-Size": str(len(file.content)),
            # Another name for this machine is another host: no token may go there.
            "Location": f"http://localhost:{self.hub.port}/cdn/{repo_id}/{quote(file_path)}",
        }
        self._empty(302, headers)

    # -- ModelScope ----------------------------------------------------------------------------------------------

    def _modelscope(self, rest: str, query: dict[str, list[str]]) -> None:
        org, name, *more = rest.split("/")
        files = self.hub.models.get(f"{org}/{name}")
        if files is None:
            self._json({"Code": 10010205001, "Message": "not found", "Success": False}, status=404)
        elif more == ["repo", "files"]:
            folders = {path.rpartition("/")[0] for path in files if "/" in path}
            rows = [{"Type": "tree", "Name": each, "Path": each, "Size": 0} for each in sorted(folders)]
            rows += [
                {
                    "Type": "blob",
                    "Name": file.path.rpartition("/")[2],
                    "Path": file.path,
                    "Size": len(file.content),
                    "Sha256": file.sha256,
                    "Revision": "0" * 40,
                }
                for file in files.values()
            ]
            self._json({"Code": 200, "Data": {"Files": rows}, "Message": "success", "Success": True})
        else:
            file = files[query["FilePath"][0]]
            self.asked.path = file.path
            self._content(file, {})

    # -- answers -------------------------------------------------------------------------------------------------

    def _empty(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _json(self, value: object, headers: dict[str, str] | None = None, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        content = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        for name, text in {**content, **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def _content(self, file: File, headers: dict[str, str]) -> None:
        """The file, or the rest of it from where the client has it."""
        faults, body = self.hub.faults, file.content if file.served is None else file.served
        wanted = self.headers.get("range", "")
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        if faults.no_ranges:
            start = 0
        if start and start >= len(body):
            self._empty(416, {"Content-Range": f"bytes */{len(body)}"})
            return
        self.asked.start = start
        self.send_response(206 if start else 200)
        length = {"Content-Length": str(len(body) - start), "Accept-Ranges": "bytes"}
        if start:
            length["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        for name, value in {**headers, **length}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self._send(body, start)

    def _send(self, body: bytes, start: int) -> None:
        drop: int | None = self.hub.fault("drops")
        end = len(body) if drop is None else min(len(body), start + drop)
        faults, place = self.hub.faults, start
        while place < end:
            held = faults.hold_at
            if held is not None and place >= held and not self.hub.go.is_set():
                # Longer than a test may take: a client that was killed must not be sent more.
                self.hub.go.wait(300)
            stop = min(end, place + (faults.slow[0] if faults.slow else _PIECE))
            if held is not None and place < held:
                stop = min(stop, held)
            # Counted before it goes: a client that has it may look at once.
            self.asked.sent += stop - place
            try:
                self.wfile.write(body[place:stop])
            except OSError:
                self.asked.sent -= stop - place
                raise
            place = stop
            if faults.slow:
                # A pace, not a wait for something.
                threading.Event().wait(faults.slow[1])
        if end < len(body):
            self.close_connection = True
