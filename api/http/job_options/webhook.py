"""Who a request wants to be told of the end of its job: fields of its body, headers, else the settings.

Names of hosts are not resolved here: what they lead to is checked with each delivery.
"""

import socket
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.requests import HTTPConnection

from api.http.bodies.fields import RequestModel
from api.http.callers.caller import Rights, caller_of
from api.http.context import context_of
from api.http.outgoing.public_address import is_public
from config.settings.webhooks import is_webhook_url
from config.webhook_events import ALLOWED, EVENTS, named
from jobs.errors import InvalidRequest
from jobs.webhooks import Family, Webhook

_URL_HEADER, _EVENTS_HEADER = "x-webhook", "x-webhook-events"
#: Words that a request may choose events with.
_MOST_WORDS = 32
_NO_URL = "should be an http:// or https:// address without user and fragment"


def _url(value: str) -> str:
    if not is_webhook_url(value):
        raise PydanticCustomError("webhook_url", _NO_URL)
    return value


def _words(value: object) -> object:
    """Forms and headers have one text."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _events(value: list[str]) -> list[str]:
    try:
        return list(named(value))
    except ValueError as error:
        raise PydanticCustomError(
            "webhook_event",
            "has '{word}', which is no event: {allowed}",
            {"word": str(error)[:64], "allowed": ALLOWED},
        ) from None


HookUrl = Annotated[str, AfterValidator(_url)]
HookEvents = Annotated[
    list[str],
    BeforeValidator(_words),
    Field(min_length=1, max_length=_MOST_WORDS),
    AfterValidator(_events),
    WithJsonSchema({"type": "array", "items": {"type": "string"}}),
]


class WebhookTarget(RequestModel):
    """The address that is told, and of which events."""

    url: HookUrl
    events: HookEvents | None = None


#: An address, and the events, as far as they are named.
Hook = tuple[str, tuple[str, ...] | None]


class Notifying(RequestModel):
    """A request that may name who is told of its end. Events are chosen with Replicate's name for the field, too."""

    webhook: HookUrl | WebhookTarget | None = None
    webhook_events_filter: HookEvents | None = None

    @property
    def hook(self) -> Hook | None:
        """The address and the events, as far as the body names them."""
        target, events = self.webhook, self.webhook_events_filter
        if target is None:
            return None
        if isinstance(target, str):
            target = WebhookTarget.model_construct(url=target)
        events = target.events or events
        return target.url, None if events is None else tuple(events)


def webhook_of(
    request: HTTPConnection, asked: Hook | None = None, family: Family = "job", usual: Webhook | None = None
) -> Webhook | None:
    """`asked` by the body, else by headers, else `usual`, else of the settings.

    Raises InvalidRequest and Forbidden.
    """
    settings = context_of(request).settings
    url, events = asked or (request.headers.get(_URL_HEADER, "").strip(), None)
    if not url:
        return usual or Webhook.of(settings, family)
    param = "webhook" if asked else _URL_HEADER
    caller_of(request).need(Rights.USE_INSTALLED, "A webhook sends requests in this machine's name;")
    if not is_webhook_url(url):
        raise InvalidRequest(f"Invalid '{param}': {_NO_URL}.", param=param, code="invalid_value")
    hook = Webhook.to(url, family, events or _by_header(request.headers.get(_EVENTS_HEADER, "")))
    if url != settings.webhook_url and not settings.allow_private_webhooks and _is_private(url):
        raise InvalidRequest(
            f"Invalid '{param}': its host has no public address. ALLOW_PRIVATE_WEBHOOKS allows others.",
            param=param,
            code="invalid_value",
        )
    return hook


def _by_header(text: str) -> tuple[str, ...]:
    words = [part.strip() for part in text.split(",") if part.strip()]
    if not words:
        return EVENTS
    try:
        return named(words)
    except ValueError as error:
        raise InvalidRequest(
            f"Invalid '{_EVENTS_HEADER}': '{str(error)[:64]}' is no event: {ALLOWED}.",
            param=_EVENTS_HEADER,
            code="invalid_value",
        ) from None


def _is_private(url: str) -> bool:
    """Whether the address names this machine or a private network, without asking for what a name leads to."""
    name = (urlsplit(url).hostname or "").removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        found = socket.getaddrinfo(name, None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False
    return not all(is_public(str(each[4][0])) for each in found)
