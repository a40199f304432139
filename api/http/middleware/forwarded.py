"""The server's public address, and the client's address, as a proxy tells them.

What a proxy says is believed of `TRUSTED_PROXIES` only, and only for these two: a page of the web can make a browser
on this machine send the same headers. Which Host is answered, and whether a request comes from this machine, is
judged by the connection itself (`api.http.middleware.security`, `api.http.callers.caller`).
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.callers.caller import address_of, is_within

_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]{1,100}){0,8}")
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_USUAL_PORTS = {"http": "80", "https": "443"}
#: The description of the API, which names the sub-path.
_PAGES = ("/docs", "/openapi.json")


class Forwarded:
    """Stores the public address for `base_of`, and replaces the proxy's address by the client's.

    A sub-path that the proxy has left in a path is taken out of it.
    """

    def __init__(
        self, app: ASGIApp, trusted: Iterable[IPv4Network | IPv6Network] = (), public_url: str = ""
    ) -> None:
        self.app = app
        self.trusted = tuple(trusted)
        self.public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope = self._seen(scope)
        await self.app(scope, receive, send)

    def _seen(self, scope: Scope) -> Scope:
        headers, client = Headers(scope=scope), scope.get("client")
        base = self.public_url
        if client and self._trusts(client[0]) and (told := _told(headers)):
            scope = {**scope, "client": (self._client(told.get("for", ()), client[0]), 0)}
            base = base or _base(told, headers, scope["scheme"])
        if base:
            scope.setdefault("state", {})["base"] = f"{base}/"
            prefix = urlsplit(base).path
            scope = _without_prefix(scope, prefix)
            if scope["path"] in _PAGES:
                scope = {**scope, "root_path": prefix}
        return scope

    def _trusts(self, name: str) -> bool:
        return is_within(name, self.trusted)

    def _client(self, chain: Iterable[str], peer: str) -> str:
        """The last address that is not a trusted proxy's. Each proxy appends the address of its client."""
        for entry in reversed(tuple(chain)):
            found = address_of(_without_port(entry))
            if found is None:
                break
            peer = str(found)
            if not self._trusts(peer):
                break
        return peer


def base_of(connection: HTTPConnection) -> str:
    """The server's address for this client; it ends with a slash."""
    base: str | None = connection.scope.get("state", {}).get("base")
    return base or str(connection.base_url)


def _told(headers: Headers) -> dict[str, tuple[str, ...]]:
    """The values from proxies: `for`, `proto`, `host`, `port` and `prefix`, each with the client's side first.

    The pairs of `Forwarded` (RFC 7239, 4) are found without an expression: who is behind the proxy writes them, too.
    """
    told = {
        name: values
        for name in ("for", "proto", "host", "port", "prefix")
        if (values := _values(headers, f"x-forwarded-{name}"))
    }
    if told.keys() & {"for", "proto", "host"}:
        return told
    pairs = [
        (name.strip().lower(), value.strip().strip('"'))
        for element in _values(headers, "forwarded")
        for name, _, value in (pair.partition("=") for pair in element.split(";"))
    ]
    for wanted in ("for", "proto", "host"):
        if values := tuple(value for name, value in pairs if name == wanted):
            told[wanted] = values
    return told


def _values(headers: Headers, name: str) -> tuple[str, ...]:
    lines = ",".join(headers.getlist(name))
    return tuple(value for part in lines.split(",") if (value := part.strip()))


def _base(told: dict[str, tuple[str, ...]], headers: Headers, scheme: str) -> str:
    """The address without a slash at its end; '' when what is told makes none."""
    scheme = _SCHEMES.get(told.get("proto", (scheme,))[0].lower(), "")
    host = told.get("host", (headers.get("host", ""),))[0]
    if not scheme or not _HOST.fullmatch(host):
        return ""
    port = told.get("port", ("",))[0]
    if (
        port.isascii()
        and port.isdigit()
        and port != _USUAL_PORTS[scheme]
        and not re.search(r":[0-9]+$", host)
    ):
        host = f"{host}:{port}"
    prefix = "".join(part.rstrip("/") for part in told.get("prefix", ()))
    return f"{scheme}://{host}{prefix if _PREFIX.fullmatch(prefix) else ''}"


def _without_prefix(scope: Scope, prefix: str) -> Scope:
    path = scope["path"]
    if not prefix or not (path == prefix or path.startswith(f"{prefix}/")):
        return scope
    path = path[len(prefix) :] or "/"
    return {**scope, "path": path, "raw_path": path.encode()}


def _without_port(entry: str) -> str:
    """`192.0.2.1:80` and `[2001:db8::1]:80` without their ports."""
    if entry.startswith("["):
        return entry.partition("]")[0] + "]"
    return entry.partition(":")[0] if entry.count(":") == 1 else entry
