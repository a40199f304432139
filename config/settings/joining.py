"""Workers of other machines: where they join, and what one that joins has to know."""

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from config.settings.group import Group


class JoinSettings(Group):
    """Workers of other machines: where they join, and what one that joins has to know."""

    join_port: int = Field(
        default=0,
        ge=0,
        le=65_534,
        description="Port at which workers of other machines join, by TLS; the next one is taken too. `0`: none may.",
    )
    join_host: str = Field(
        default="0.0.0.0",
        description="Address that `JOIN_PORT` is on; `0.0.0.0` for the whole network.",
    )
    join_url: str = Field(
        default="",
        validation_alias="MLXQ_JOIN",
        description="Server that this machine's worker joins, such as `http://mac-studio.local:8080`.",
    )
    join_key: SecretStr | None = Field(
        default=None,
        validation_alias="MLXQ_JOIN_KEY",
        description="Key for `MLXQ_JOIN`, which `mlxq join-key` makes at the server.",
    )

    @field_validator("join_url")
    @classmethod
    def _check_join_url(cls, value: str) -> str:
        """A host, a host and a port, or an address."""
        address = value if "://" in value or not value else f"https://{value}"
        try:
            parts = urlsplit(address)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if address and not valid:
            raise ValueError("an http:// or https:// address, or the name of a machine")
        return address.rstrip("/")
