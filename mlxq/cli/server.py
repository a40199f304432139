"""The running server as the terminal command sees it: requests, their errors in words, and a job's events."""

import contextlib
import json
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TypedDict
from urllib.parse import quote

import httpx

from config.settings import Settings

#: Seconds for which a server that went away in the middle is waited for.
PATIENCE = 60.0
#: Events come at least every five seconds.
_TIMEOUT = httpx.Timeout(5.0, read=30.0)


class Problem(Exception):
    """Something went wrong; the message is for the user."""


class Unreachable(Problem):
    """No server answers."""


class Missing(Problem):
    """The server does not have what it was asked for."""


class _Refused(Exception):
    """The server answers, but not with events."""


class Fetched(TypedDict):
    """The result of a download."""

    message: str
    bytes: int
    fetched_bytes: int


class Failure(TypedDict):
    message: str


class ModelFacts(TypedDict, total=False):
    """Of a model, what `launch` needs. Servers other than mlxq give the id alone."""

    id: str
    type: str
    context_length: int | None


class DownloadEvent(TypedDict, total=False):
    """What the events of a download tell: of its progress, its result or its error."""

    done: int
    total: int
    result: Fetched
    error: Failure


class Server:
    def __init__(self, settings: Settings, url: str | None = None) -> None:
        keys = (*settings.admin_keys, *settings.api_keys)
        headers = {"authorization": f"Bearer {keys[0].get_secret_value()}"} if keys else {}
        # Clients of OpenAI's API are given the address with /v1.
        url = (url or _address(settings)).rstrip("/").removesuffix("/v1")
        self.url = url if "://" in url else f"http://{url}"
        # Where a proxy is set for the internet, it is not meant for this machine.
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=_TIMEOUT, trust_env=False)

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def ask(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """The answer's JSON. Raises Problem with the server's own words."""
        return self._ask(method, path, body, params)[1]

    def text(self, path: str, **params: Any) -> str:
        """The text of an answer that is no JSON. Raises Problem with the server's own words."""
        return self._ask("GET", path, None, params, expected="text/csv")[0]

    def _ask(
        self, method: str, path: str, body: Any, params: dict[str, Any], expected: str = ""
    ) -> tuple[str, Any]:
        """The answer's text, and its JSON unless it has the `expected` type."""
        # Deleting waits until a model has been unloaded.
        patience = None if method == "DELETE" else 30.0
        try:
            answer = self._http.request(method, path, json=body, params=params, timeout=patience)
            if expected and answer.headers.get("content-type", "").startswith(expected):
                return answer.text, None
            content = answer.json()
        except httpx.InvalidURL:
            raise Problem(f"{self.url} is no address") from None
        except httpx.HTTPError:
            raise Unreachable(f"no server answers at {self.url}; `mlxq serve` starts one") from None
        except ValueError:
            raise Problem(f"what answers at {self.url} is not mlxq") from None
        if answer.is_error:
            raise (Missing if answer.status_code == httpx.codes.NOT_FOUND else Problem)(_words(content))
        return answer.text, content

    def events(self, job_id: str) -> Iterator[tuple[str, DownloadEvent]]:
        """(type, data) of each event of a download to its last. Waits for a server that is away for a while."""
        seen, deadline = "0-0", time.monotonic() + PATIENCE
        while True:
            try:
                for event_id, kind, data in self._frames(f"/v1/jobs/{job_id}/events", seen):
                    seen = event_id
                    deadline = time.monotonic() + PATIENCE
                    yield kind, data
                    if kind in ("completed", "failed", "cancelled", "expired"):
                        return
            except _Refused:
                raise Problem("the server does not know this download any more") from None
            except httpx.HTTPError:
                pass
            if time.monotonic() > deadline:
                raise Unreachable(f"the server at {self.url} went away; the download is kept")
            time.sleep(0.5)

    def news(self, path: str) -> Iterator[tuple[str, Any] | None]:
        """(type, data) of each event of an endless stream; None whenever the server is away, until it is back."""
        seen = ""
        while True:
            with contextlib.suppress(httpx.HTTPError, _Refused):
                for event_id, kind, data in self._frames(path, seen):
                    seen = event_id
                    yield kind, data
            yield None
            time.sleep(0.5)

    def _frames(self, path: str, seen: str) -> Iterator[tuple[str, str, Any]]:
        """(id, type, data) of the events after `seen`, of one connection. Raises _Refused and httpx.HTTPError."""
        with self._http.stream("GET", path, params={"after": seen} if seen else {}) as answer:
            if answer.status_code != httpx.codes.OK:
                raise _Refused
            event_id, kind = seen, ""
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                match name:
                    case "id":
                        event_id = value
                    case "event":
                        kind = value
                    case "data":
                        yield event_id, kind, json.loads(value)


def model_path(name: str) -> str:
    return f"/v1/models/{quote(name, safe='')}"


def _address(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _words(content: Any) -> str:
    error = content.get("error") if isinstance(content, dict) else None
    return str(error["message"]) if isinstance(error, dict) and "message" in error else "the server refuses"
