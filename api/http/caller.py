"""Who calls, and how far its rights go. The one place where that is decided; routes ask for a right.

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

#: What Starlette's TestClient calls itself where a server puts the caller's address: there is no network then.
IN_PROCESS = "testclient"
#: Headers by which proxies say for whom they ask. Whoever comes through one is not at this machine.
_FORWARDED, _FORWARDED_PREFIX = frozenset({"forwarded", "via", "x-real-ip"}), "x-forwarded-"
#: Schemes of origins that a browser gives to no page of the web: windows of desktop programs.
_APP_SCHEMES = frozenset({"app", "capacitor", "file", "tauri", "vscode-file", "vscode-webview"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Rights(IntEnum):
    """What a caller may do; each includes those before it."""

    #: nothing: a page whose origin `CORS_ORIGINS` leaves out
    NOTHING = 0
    #: use models that are in memory, or that the settings name
    USE_LOADED = 1
    #: use every installed model, which may load it in another's place
    USE_INSTALLED = 2
    #: use every model, which may fetch it, and say how long it stays in memory
    USE_ANY = 3
    #: load, unload, fetch and delete models, change settings, end the server, see the jobs of all
    ADMINISTER = 4


class Limit(Enum):
    """Why a caller may not do everything; the value ends the sentence of a refusal."""

    PAGE = "pages of other origins may not do this; CORS_ORIGINS can name the origin, or set API_KEYS and send a key"
    MACHINE = "other machines may not do this; set API_KEYS and send a key"
    KEY = "this key may not do this; ADMIN_KEYS names those that may"


@dataclass(frozen=True, slots=True)
class Caller:
    """`owner` stands for the key, and is kept with its jobs; it is empty where no keys are asked for."""

    rights: Rights = Rights.ADMINISTER
    limit: Limit | None = None
    owner: str = ""
    sees_all: bool = True

    @property
    def withheld(self) -> frozenset[str]:
        """Fields of a request that are ignored, as if the caller had not sent them."""
        return frozenset() if self.rights >= Rights.USE_ANY else frozenset({"keep_alive", "draft_model"})

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
    """As `api.http.security.CallerGuard` has found it."""
    caller: Caller = connection.state.caller
    return caller


def identify(scope: Scope, settings: Settings, key: str) -> Caller | None:
    """Who calls, with this key or with none. None: the key is not one of those that are asked for."""
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
    """The keys that open the server. None: it is open to anybody."""
    return tuple(key.get_secret_value() for key in (*settings.api_keys, *settings.admin_keys))


def at_this_machine(scope: Scope) -> bool:
    """Does the connection come from this machine itself?

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
    """The names that containers have for their host are other machines': a page could rebind them to this one."""
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
    """Is this an address that only this machine itself has?"""
    address = address_of(name)
    return address is not None and address.is_loopback


def is_within(name: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Is this an address of one of these networks?"""
    address = address_of(name)
    return address is not None and any(
        address in each for each in networks if each.version == address.version
    )


def _among(key: str, keys: tuple[str, ...]) -> bool:
    """In the same time for every key."""
    sent = key.encode("latin-1", "replace")
    return any([hmac.compare_digest(sent, known.encode()) for known in keys])


def _owner(key: str) -> str:
    """Stands for a key wherever its jobs are kept."""
    return hashlib.sha256(b"mlxq owner\0" + key.encode("latin-1", "replace")).hexdigest()[:32]


def _page(headers: Headers, settings: Settings) -> Rights:
    """What the web page may do that sent the request; everything where no page did."""
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
    """Is it a page that this machine itself serves, or a window of a program here?"""
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
