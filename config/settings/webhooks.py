"""Who is told of the ends of jobs, and how deliveries are signed and bounded."""

import base64
import binascii
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from config.settings.group import Group
from config.values import Names, Seconds, Secrets
from config.webhook_events import ALLOWED, named

#: How a secret is written (Standard Webhooks), and the bytes that it may have.
SECRET_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64
_LONGEST_URL = 2_048


class WebhookSettings(Group):
    """Who is told of the ends of jobs, and how deliveries are signed and bounded."""

    webhook_url: str = Field(
        default="",
        description="Address that is told of the ends of jobs and batches, unless their request names another one. "
        "It may be on this machine or in a private network.",
    )
    webhook_events: Names = Field(
        default=("*",),
        description="Comma-separated events that `WEBHOOK_URL` is told of, such as `response.*, batch.*, "
        "job.failed`.",
    )
    webhook_secret: Secrets = Field(
        default=(),
        description="Comma-separated secrets, each `whsec_` and base64 of 24 to 64 bytes, that deliveries are signed "
        "with, by each of them; empty: they are not signed.",
    )
    webhook_timeout: Seconds = Field(
        default=15,
        gt=0,
        le=60,
        description="Time limit for one attempt of a delivery.",
    )
    allow_private_webhooks: bool = Field(
        default=False,
        description="Deliver also to addresses on this machine and in private networks that requests name.",
    )
    notify_after: Seconds = Field(
        default=0,
        ge=0,
        le=86_400,
        description="Show a notification on this Mac when a job ends that ran for at least so long; `0`: none.",
    )

    @field_validator("webhook_url")
    @classmethod
    def _check_webhook_url(cls, value: str) -> str:
        if value and not is_webhook_url(value):
            raise ValueError("an http:// or https:// address without user and fragment")
        return value

    @field_validator("webhook_events")
    @classmethod
    def _check_webhook_events(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            named(value)
        except ValueError:
            raise ValueError(ALLOWED) from None
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _check_webhook_secret(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for each in value:
            if not _SHORTEST <= len(secret_bytes(each.get_secret_value())) <= _LONGEST:
                raise ValueError("whsec_ and base64 of 24 to 64 bytes")
        return value


def secret_bytes(text: str) -> bytes:
    """The key that a secret stands for; empty where it is not valid."""
    if not text.startswith(SECRET_PREFIX):
        return b""
    try:
        return base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        return b""


def is_webhook_url(value: str) -> bool:
    """Whether deliveries can be sent there: this does not look whether it is private."""
    if len(value) > _LONGEST_URL or not value.isascii() or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    unwanted = parts.username is not None or parts.password is not None or parts.fragment or port == 0
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not unwanted


def webhook_host(url: str) -> str:
    """Scheme, host and port of an address: its path may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"
