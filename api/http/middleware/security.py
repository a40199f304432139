"""Checks Host names (against DNS rebinding), then keys and origins by `api.http.callers.caller`."""

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.answers.errors import error_response
from api.http.callers.caller import IN_PROCESS, Caller, Limit, Rights, address_of, caller_of, identify
from config.settings import Settings
from jobs.errors import Forbidden, Unauthorized

#: What a caller can ask for.
_CALLS = ("http", "websocket")
#: What anybody may ask.
OPEN_PATHS = ("/health", "/v1/join")
#: The files of the page, which hold nothing of this server.
_FILES = "/page/"
KEY_NEEDED = "An API key is needed: 'Authorization: Bearer KEY' or 'x-api-key: KEY'."
#: Who asks for that without a key.
_NOBODY = Caller(Rights.NOTHING, Limit.KEY, sees_all=False)


def host_name(host: str) -> str:
    """The name in a Host header, lower case, without the port; IPv6 addresses keep their brackets."""
    name = host.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0].removesuffix(".")


def listens_everywhere(host: str) -> bool:
    """Is this the address that stands for all of the machine's?"""
    address = address_of(host)
    return address is not None and address.is_unspecified


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
        if scope.get("client") and scope["client"][0] == IN_PROCESS:
            return True
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if not hosts:
            # Load balancers ask so for the health; browsers always name a host.
            return scope.get("http_version") == "1.0"
        if len(hosts) > 1:
            return False
        name = host_name(hosts[0].decode("latin-1"))
        return (
            name in self.names
            or name.endswith(self.suffixes)
            or (self.addresses and address_of(name) is not None)
        )


class CallerGuard:
    """Finds out who calls, for all that comes after it, and refuses those that may do nothing.

    With keys, one of them is needed, as `Authorization: Bearer` or `x-api-key`.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in _CALLS:
            key = caller_key(Headers(scope=scope))
            caller = identify(scope, self.settings, key)
            if _is_open(scope):
                caller = caller or _NOBODY
            elif caller is None:
                raise Unauthorized("The API key is not valid." if key else KEY_NEEDED)
            else:
                caller.need(Rights.USE_LOADED)
            scope.setdefault("state", {})["caller"] = caller
        await self.app(scope, receive, send)


def wants_page(headers: Headers) -> bool:
    """Whether a browser asks: other programs do not ask for HTML by its name."""
    return any(
        each.partition(";")[0].strip().lower() == "text/html" for each in headers.get("accept", "").split(",")
    )


def _is_open(scope: Scope) -> bool:
    path = scope["path"]
    return (
        path in OPEN_PATHS
        or path.startswith(_FILES)
        or (path == "/" and scope.get("method") == "GET" and wants_page(Headers(scope=scope)))
    )


def caller_key(headers: Headers) -> str:
    """The key that the caller sent, or ''."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key", "").strip()


async def at_the_machine(request: Request) -> None:
    """FastAPI dependency of admin verbs: a key that may, or the user of this machine. Raises Forbidden.

    Neither other machines nor pages of other origins may, unless there are keys.
    """
    caller_of(request).need(Rights.ADMINISTER)


async def listed_owner(request: Request) -> str | None:
    """Whose rows the caller may list; None: everybody's. Raises Forbidden where only the user of the machine may."""
    caller = caller_of(request)
    if not caller.sees_all:
        return caller.owner
    await at_the_machine(request)
    return None
