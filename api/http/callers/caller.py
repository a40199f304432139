"""Decides who the caller is and which rights it has. Routes ask for a right.

It knows keys, origins of web pages and addresses of machines; it knows no route and no model.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope

from config.settings import CONTAINER_NAMES, Settings
from jobs.errors import Forbidden

#: The address of Starlette's TestClient, which uses no network.
IN_PROCESS = "testclient"
#: Headers with the client of a proxy. A request through a proxy does not count as one of this machine.
_FORWARDED, _FORWARDED_PREFIX = frozenset({"forwarded", "via", "x-real-ip"}), "x-forwarded-"
#: Schemes of origins of desktop programs, which no web page can have.
_APP_SCHEMES = frozenset({"app", "capacitor", "file", "tauri", "vscode-file", "vscode-webview"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Rights(IntEnum):
    """What a caller may do; each includes those before it."""

    #: nothing: a page whose origin `CORS_ORIGINS` leaves out
    NOTHING = 0
    #: use models that are in memory, or that the settings name
    USE_LOADED = 1
    #: use every installed model, which may load it in the place of another one
    USE_INSTALLED = 2
    #: use every model, which may download it, and set how long it stays in memory
    USE_ANY = 3
    #: load, unload, download and delete models, change settings, stop the server, see all jobs
    ADMINISTER = 4


class Limit(Enum):
    """Why a caller may not do everything; the value ends the sentence of a refusal."""

    PAGE = "pages of other origins may not do this; CORS_ORIGINS can name the origin, or set API_KEYS and send a key"
    MACHINE = "other machines may not do this; set API_KEYS and send a key"
    KEY = "this key may not do this; ADMIN_KEYS names those that may"


@dataclass(frozen=True, slots=True)
class Caller:
    """`owner` is a hash of the key that is stored with its jobs; it is empty without keys."""

    rights: Rights = Rights.ADMINISTER
    limit: Limit | None = None
    owner: str = ""
    sees_all: bool = True

    @property
    def withheld(self) -> frozenset[str]:
        """Fields of a request that are ignored, as if the caller had not sent them."""
        return (
            frozenset() if self.rights >= Rights.USE_ANY else frozenset({"keep_alive", "ttl", "draft_model"})
        )

    def need(self, rights: Rights, what: str = "") -> None:
        """Raises Forbidden unless the caller has these rights. `what` begins the sentence that says why."""
        if self.rights < rights:
            assert self.limit is not None
            reason = self.limit.value
            raise Forbidden(f"{what} {reason}." if what else f"{reason[0].upper()}{reason[1:]}.")

    def sees(self, owner: str) -> bool:
        """Whether the jobs of that owner are this caller's to see."""
        return self.sees_all or owner == self.owner


def caller_of(connection: HTTPConnection) -> Caller:
    """The caller that `api.http.middleware.security.CallerGuard` has found."""
    caller: Caller = connection.state.caller
    return caller


def identify(scope: Scope, settings: Settings, key: str) -> Caller | None:
    """The caller with this key or without one. None: the key is not valid."""
    keys = accepted_keys(settings)
    if keys:
        if not _among(key, keys):
            return None
        administers = tuple(each.get_secret_value() for each in settings.admin_keys)
        admin = _among(key, administers)
        if admin or not administers:
            return Caller(owner=_owner(key), sees_all=admin)
        return Caller(Rights.USE_ANY, Limit.KEY, _owner(key), sees_all=False)
    page = _page(Headers(scope=scope), settings)
    if page <= Rights.USE_INSTALLED or at_this_machine(scope):
        return Caller(page, None if page is Rights.ADMINISTER else Limit.PAGE)
    return Caller(Rights.USE_INSTALLED, Limit.MACHINE)


def accepted_keys(settings: Settings) -> tuple[str, ...]:
    """The valid keys. None: no key is needed."""
    return tuple(key.get_secret_value() for key in (*settings.api_keys, *settings.admin_keys))


def at_this_machine(scope: Scope) -> bool:
    """Whether the connection comes from this machine.

    A request that a proxy passes on does not, although the proxy may run here, nor does that of a container.
    """
    client, server = scope.get("client"), scope.get("server")
    if not client:
        return False
    if client[0] == IN_PROCESS:
        return True
    address = address_of(client[0])
    if address is None or _is_passed_on(Headers(scope=scope)):
        return False
    # From one of this machine's own addresses to the same one.
    own = server is not None and address_of(server[0] or "") == address
    return address.is_loopback or (own and not address.is_unspecified)


def _is_passed_on(headers: Headers) -> bool:
    """Names that containers use for their host count as other machines: a page could rebind them to this one."""
    if any(name in _FORWARDED or name.startswith(_FORWARDED_PREFIX) for name in headers):
        return True
    host = _split(f"http://{headers.get('host', '')}")
    return host is not None and host[1] in CONTAINER_NAMES


def address_of(name: str) -> IPv4Address | IPv6Address | None:
    """The IP address that this text is, with or without brackets; an IPv4 one that is written as IPv6 as itself."""
    try:
        address = ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(name: str) -> bool:
    """Whether only this machine can have this address."""
    address = address_of(name)
    return address is not None and address.is_loopback


def is_within(name: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Whether the address is in one of these networks."""
    address = address_of(name)
    return address is not None and any(
        address in each for each in networks if each.version == address.version
    )


def _among(key: str, keys: tuple[str, ...]) -> bool:
    """Compares in constant time."""
    sent = key.encode("latin-1", "replace")
    return any([hmac.compare_digest(sent, known.encode()) for known in keys])


def _owner(key: str) -> str:
    """The hash of a key that is stored with its jobs."""
    return hashlib.sha256(b"mlxq owner\0" + key.encode("latin-1", "replace")).hexdigest()[:32]


def _page(headers: Headers, settings: Settings) -> Rights:
    """The rights of the web page that sent the request; all rights if no page did."""
    allowed = settings.cors_origins
    origin = headers.get("origin")
    if origin is None:
        # Links and images of pages come without an origin. They only read, and no page sees the answer.
        foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        return Rights.USE_LOADED if foreign else Rights.ADMINISTER
    if any(_same_origin(origin, host) for host in (headers.get("host", ""), settings.public_host) if host):
        return Rights.ADMINISTER
    if origin in allowed:
        return Rights.USE_ANY
    if "*" not in allowed:
        return Rights.NOTHING
    return Rights.USE_INSTALLED if _is_local(origin) else Rights.USE_LOADED


def _same_origin(origin: str, host: str) -> bool:
    """A server behind a TLS proxy does not know its own scheme: it is not compared."""
    found = _split(origin)
    if found is None or found[0] not in _DEFAULT_PORTS:
        return False
    own = _split(f"{found[0]}://{host}")
    return bool(found[1]) and own == found


def _is_local(origin: str) -> bool:
    """Whether the origin is a page of this machine, or a desktop program."""
    found = _split(origin)
    if found is None:
        return False
    scheme, name, _ = found
    if scheme in _APP_SCHEMES:
        return True
    address = address_of(name)
    return name == "localhost" or name.endswith(".localhost") or (address is not None and address.is_loopback)


def _split(origin: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of an origin, None for what is none."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if not parts.scheme or parts.username is not None or parts.path not in ("", "/"):
        return None
    return parts.scheme, (parts.hostname or "").removesuffix("."), port or _DEFAULT_PORTS.get(parts.scheme)
