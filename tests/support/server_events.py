"""A client of server-sent events, by httpx."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx


class ServerEvent(NamedTuple):
    """An event. `data` is what its JSON holds."""

    name: str
    data: dict[str, Any]
    id: str


class ServerEvents:
    """Reads events of one response as they come."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._events = _events(response.iter_lines())

    def __iter__(self) -> Iterator[ServerEvent]:
        return self._events

    def next(self) -> ServerEvent:
        return next(self._events)

    def until(self, name: str, which: Callable[[dict[str, Any]], bool] = lambda _: True) -> ServerEvent:
        """The next event of that name for which `which` holds. Others are passed over."""
        for event in self._events:
            if event.name == name and which(event.data):
                return event
        raise AssertionError(f"the stream ended without such a '{name}'")


def _events(lines: Iterator[str]) -> Iterator[ServerEvent]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line == "" and "data" in fields:
            yield ServerEvent(fields.get("event", ""), json.loads(fields["data"]), fields.get("id", ""))
            fields = {}
        elif name:
            fields[name] = value


@contextmanager
def server_events(http: httpx.Client, path: str, **headers: str) -> Iterator[ServerEvents]:
    """The events of this address. The client leaves at the end of the block."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    with http.stream("GET", path, headers=told) as response:
        assert response.status_code == 200, response.read()
        yield ServerEvents(response)
