"""Who may call the API, and the bounds of its connections."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from config.settings.group import Group
from config.values import LOOPBACK_NETWORKS, Names, Networks, Seconds, Secrets

LOOPBACK_NAMES = ("localhost", "*.localhost", "127.0.0.1", "[::1]", "::1")
#: The names that containers have for the machine they run on.
CONTAINER_NAMES = (
    "host.docker.internal",
    "gateway.docker.internal",
    "host.containers.internal",
    "host.lima.internal",
    "host.orb.internal",
)


def _allowed_hosts(data: Mapping[str, object]) -> tuple[str, ...]:
    """Names of this machine, and the address that the user chose to listen on unless it means "all of them"."""
    host = str(data.get("host", "localhost"))
    try:
        address = ip_address(host)
    except ValueError:
        name = host
    else:
        name = "localhost" if address.is_unspecified else f"[{address}]" if address.version == 6 else host
    usual = (*LOOPBACK_NAMES, *CONTAINER_NAMES)
    return usual if name in usual else (*usual, name)


class AccessSettings(Group):
    """Who may call the API, and the bounds of its connections."""

    api_keys: Secrets = Field(
        default=(),
        description="Comma-separated keys that clients must send; empty: any key, or none, is accepted.",
    )
    admin_keys: Secrets = Field(
        default=(),
        description="Comma-separated keys that see the jobs of all keys. If set, only these may load, download and "
        "delete models, change settings and stop the server.",
    )
    show_prompts: bool = Field(
        default=True,
        description="Whether the page and `GET /v1/jobs/{id}/request` show what a job was asked.",
    )
    allowed_hosts: Names = Field(
        default_factory=_allowed_hosts,
        description="Comma-separated `Host` names that are answered, beside the usual ones (against DNS rebinding); "
        "`*` allows all.",
    )
    public_url: str = Field(
        default="",
        description="The server's address as clients know it, with its sub-path, such as "
        "`https://ai.example.com/mlxq`; empty: taken from the request, or from a proxy of "
        "`TRUSTED_PROXIES`.",
    )
    trusted_proxies: Networks = Field(
        default=LOOPBACK_NETWORKS,
        description="Comma-separated addresses and networks whose `Forwarded` and `X-Forwarded-*` headers count; "
        "`none`: those of no proxy.",
    )
    cors_origins: Names = Field(
        default=("*",),
        description="Comma-separated web origins whose pages may use every model, also one that is downloaded first; "
        "with `*`, pages of other origins may use models in memory or named by a setting.",
    )
    max_body_mb: float = Field(default=10, gt=0, le=10_240, description="Largest request body in MB.")
    max_connections: int = Field(
        default=4096,
        ge=1,
        le=1_000_000,
        description="Connections that may be open, or fewer where the limit of open files is low.",
    )
    max_connections_per_address: int = Field(
        default=256,
        ge=1,
        le=1_000_000,
        description="Connections that one address may have open, other than this machine's and those of "
        "`TRUSTED_PROXIES`; in IPv6 that is a /64 network.",
    )
    head_timeout: Seconds = Field(
        default=20,
        gt=0,
        le=3600,
        description="Time limit for a request's line and headers.",
    )
    body_timeout: Seconds = Field(
        default=30,
        gt=0,
        le=3600,
        description="Longest pause within a request's body; its average speed must be at least 500 bytes per second.",
    )
    send_timeout: Seconds = Field(
        default=300,
        gt=0,
        le=86_400,
        description="How long a client may stop reading its answer.",
    )
    keep_alive_timeout: Seconds = Field(
        default=75,
        gt=0,
        le=3600,
        description="How long a connection may be idle between two requests.",
    )
    websocket_idle_timeout: Seconds = Field(
        default=300,
        gt=0,
        le=86_400,
        description="Longest time without a message on a WebSocket while nothing is spoken.",
    )

    chat_keep_alives: Literal["comments", "chunks"] = Field(
        default="comments",
        description="What a stream of a chat has while there is no text: `comments`, or also a chunk without "
        "content every twelve seconds, for clients that do not count comments.",
    )

    @field_validator("allowed_hosts")
    @classmethod
    def _check_hosts(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        usual = _allowed_hosts(info.data)
        more = tuple(name for name in value if name not in usual)
        if any("/" in name or name.count(":") == 1 for name in more):
            raise ValueError("names without port and path, such as mac.local, *.mac.local, or *")
        return (*usual, *more)

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """As browsers write them; what is copied from their bar of addresses ends with a slash."""
        origins = tuple(origin.lower().removesuffix("/") for origin in value)
        for origin in origins:
            parts = urlsplit(origin)
            if origin not in ("*", "null") and not (
                parts.netloc and origin == f"{parts.scheme}://{parts.netloc}"
            ):
                raise ValueError("origins such as https://app.example or http://localhost:3000, or *")
        return origins

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str) -> str:
        """Clients give `/v1` with the address; here it belongs to the paths."""
        parts = urlsplit(value.rstrip("/"))
        more = parts.username or parts.query or parts.fragment
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or more):
            raise ValueError("an http:// or https:// address without a query")
        return parts.geturl().removesuffix("/v1")

    @property
    def public_host(self) -> str:
        """Host and port of `public_url`."""
        return urlsplit(self.public_url).netloc

    @property
    def max_body_bytes(self) -> int:
        return int(self.max_body_mb * 1024 * 1024)
