"""The addresses that the application answers at: methods, WebSockets, and forms with and without `/v1`."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from starlette.routing import BaseRoute, Match, Route, WebSocketRoute
from starlette.types import Scope

from api.http.routes.dialect import Dialect

#: As ASGI has them.
Headers = Iterable[tuple[bytes, bytes]]

_VERSION = "/v1"
#: Double slashes, which clients make from an address and a path with one slash each.
_SLASHES = re.compile("//+")
#: After this follows the name of a model. Its slashes may be written as %2F.
_NAMES = "/models/"


class Addresses:
    """Of these routes, in the order in which they are tried, each with its dialect.

    A route below `/v1` is also answered without it, unless another route has that address. `default` is the dialect
    of addresses that begin like none of them.
    """

    def __init__(self, routes: Iterable[tuple[BaseRoute, Dialect]], default: Dialect) -> None:
        self._spoken = tuple(routes)
        self.default = default
        every = [route for route, _ in self._spoken]
        self._routes = tuple(route for route in every if isinstance(route, Route))
        self._paths = tuple(
            (route.path, dialect) for route, dialect in self._spoken if isinstance(route, Route)
        )
        #: slashes of the longest address: more parts of a path have no likeness to any
        self._longest = max((path.count("/") for path, _ in self._paths), default=0) + 1
        self._literals = frozenset(route.path for route in self._routes if "{" not in route.path)
        #: paths of WebSockets
        self.sockets = tuple(route.path for route in every if isinstance(route, WebSocketRoute))
        paths = [*(route.path for route in self._routes), *self.sockets]
        versioned = {_first(path.removeprefix(_VERSION)) for path in paths if path.startswith(f"{_VERSION}/")}
        #: first parts of paths below `/v1` that have no other meaning without it
        self.versioned = versioned - {_first(path) for path in paths}

    def plain(self, path: str) -> str:
        """The path as routes know it: with the `/v1` that some clients leave out, without needless slashes."""
        before, mark, name = path.partition(_NAMES)
        path = _SLASHES.sub("/", before + mark) + name
        if path.startswith("/") and _first(path) in self.versioned:
            path = f"{_VERSION}{path}"
        return path.removesuffix("/") or "/"

    @property
    def dialects(self) -> tuple[Dialect, ...]:
        """Each once."""
        return tuple(dict.fromkeys((self.default, *(dialect for _, dialect in self._spoken))))

    def template(self, path: str) -> str | None:
        """The path of the route that this path leads to, with the names of its parameters; None: no route has it."""
        scope: Scope = {"type": "http", "method": "", "path": path, "headers": ()}
        scope["path"] = self.plain(self.within(scope)["path"])
        if scope["path"] in self._literals:
            return str(scope["path"])
        found = (route.path for route in self._routes if route.matches(scope)[0] is not Match.NONE)
        return next(found, None)

    def within(self, scope: Scope) -> Scope:
        """The request without the base of a dialect before its path; the dialect's header takes its place."""
        for dialect in self.dialects:
            if dialect.mark and scope["path"].startswith(f"{dialect.base}/"):
                headers = [*scope["headers"], dialect.mark]
                return {**scope, "path": scope["path"][len(dialect.base) :], "headers": headers}
        return scope

    def dialect(self, path: str, method: str = "", headers: Headers = ()) -> Dialect:
        """The dialect of the answer to a request; the method of a WebSocket is ''."""
        kind = "http" if method else "websocket"
        scope: Scope = {"type": kind, "method": method, "path": path, "headers": headers}
        for wanted in (Match.FULL, Match.PARTIAL):
            for route, dialect in self._spoken:
                if route.matches(scope)[0] is wanted:
                    return dialect
        names = {name for name, _ in headers}
        marked = (dialect for dialect in self.dialects if dialect.mark and dialect.mark[0] in names)
        return next(marked, None) or self._nearest(path)

    def _nearest(self, path: str) -> Dialect:
        """That of most addresses which begin in the same way: clients misspell addresses of their own API."""
        parts = path.split("/", self._longest)
        for length in range(len(parts), 1, -1):
            beginning = "/".join((*parts[:length], ""))
            found = Counter(dialect for path, dialect in self._paths if f"{path}/".startswith(beginning))
            if found:
                return self.default if self.default in found else found.most_common(1)[0][0]
        return self.default

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


def addresses_of(scope: Scope) -> Addresses:
    """Those of the application that serves this request."""
    addresses: Addresses = scope["app"].state.addresses
    return addresses


def greed(route: BaseRoute) -> int:
    """The sort key of routes: literal paths first, those that end in any path last."""
    path: str = getattr(route, "path", "")
    if path.endswith(":path}"):
        return 3
    return 2 if ":path}" in path else int("{" in path)


def _first(path: str) -> str:
    parts: Sequence[str] = path.split("/", 2)
    return parts[1] if len(parts) > 1 else ""
