"""The addresses that the application answers at: which methods each takes, and which are WebSockets."""

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, Route, WebSocketRoute


class Addresses:
    """Of these routes."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        routes = tuple(routes)
        self._routes = tuple(route for route in routes if isinstance(route, Route))
        #: paths of WebSockets
        self.sockets = frozenset(route.path for route in routes if isinstance(route, WebSocketRoute))

    def allow(self, path: str) -> str:
        """The value of an `Allow` header (RFC 9110, 10.2.1)."""
        scope = {"type": "http", "method": "", "path": path}
        methods: set[str] = set()
        for route in self._routes:
            if route.matches(scope)[0] is not Match.NONE:
                methods |= route.methods or set()
        if "GET" in methods:
            methods.add("HEAD")
        return ", ".join(sorted(methods))
