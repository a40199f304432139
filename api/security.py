"""Who may call: Host names (against DNS rebinding), API keys, and pages of other origins."""

import hmac
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import error_response
from config.settings import Settings
from jobs.errors import Forbidden, Unauthorized

#: What Starlette's TestClient calls itself where a server puts the caller's address: there is no network then.
_IN_PROCESS = "testclient"
#: What a caller can ask for.
_CALLS = ("http", "websocket")
#: What anybody may ask.
_OPEN_PATHS = ("/health",)


def host_name(host: str) -> str:
    """The name in a Host header, lower case, without the port; IPv6 addresses keep their brackets."""
    name = host.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0].removesuffix(".")


def listens_everywhere(host: str) -> bool:
    """Is this the address that stands for all of the machine's?"""
    address = _address(host)
    return address is not None and address.is_unspecified


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


class HostGuard:
    """Answers only under allowed names: a page that rebinds its own name to this machine gets a 403.

    `addresses`: bare IP addresses are answered too. They are no names, so there is nothing to rebind.
    """

    def __init__(self, app: ASGIApp, allowed: tuple[str, ...], *, addresses: bool = False) -> None:
        self.app = app
        self.addresses = addresses
        self.everything = "*" in allowed
        self.names = frozenset(name.lower() for name in allowed if not name.startswith("*"))
        self.suffixes = tuple(name[1:].lower() for name in allowed if name.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in _CALLS or self.everything or self._allows(scope):
            await self.app(scope, receive, send)
        else:
            error = Forbidden("This Host name is not served here; ALLOWED_HOSTS names those that are.")
            error.code = "host_not_allowed"
            await error_response(error)(scope, receive, send)

    def _allows(self, scope: Scope) -> bool:
        if scope.get("client") and scope["client"][0] == _IN_PROCESS:
            return True
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1:
            return False
        name = host_name(hosts[0].decode("latin-1"))
        return (
            name in self.names
            or name.endswith(self.suffixes)
            or (self.addresses and _address(name) is not None)
        )


class KeyGuard:
    """Asks for one of the keys, as `Authorization: Bearer` or `x-api-key`. No keys: anybody may call."""

    def __init__(self, app: ASGIApp, keys: tuple[str, ...]) -> None:
        self.app = app
        self.keys = tuple(key.encode() for key in keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in _CALLS and self.keys and scope["path"] not in _OPEN_PATHS:
            key = caller_key(Headers(scope=scope))
            if not key:
                raise Unauthorized("An API key is needed: 'Authorization: Bearer KEY' or 'x-api-key: KEY'.")
            if not self._knows(key.encode("latin-1")):
                raise Unauthorized("The API key is not valid.")
        await self.app(scope, receive, send)

    def _knows(self, key: bytes) -> bool:
        """In the same time for every key."""
        matches = [hmac.compare_digest(key, known) for known in self.keys]
        return any(matches)


def caller_key(headers: Headers) -> str:
    """The key that the caller sent, or ''."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key", "").strip()


async def at_the_machine(request: Request) -> None:
    """FastAPI dependency of what ends the server: with API keys set the key is enough, else only this machine may.

    Raises Forbidden.
    """
    settings: Settings = request.app.state.settings
    host = request.client.host if request.client else ""
    address = _address(host)
    if not (settings.api_keys or host == _IN_PROCESS or (address and address.is_loopback)):
        raise Forbidden("Other machines may not do this; set API_KEYS and send a key.")


async def admin(request: Request) -> None:
    """FastAPI dependency of admin verbs: with API keys set the key is enough, else no page of another origin.

    Raises Forbidden. A browser sends `Origin` with every request that could change something.
    """
    settings: Settings = request.app.state.settings
    origin = request.headers.get("origin")
    if settings.api_keys or origin is None:
        return
    if urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower():
        raise Forbidden("Pages of other origins may not do this; set API_KEYS and send a key.")
