"""Who is told of the end of a job or batch, and of which ends: as it is kept with the job."""

from typing import Literal

import msgspec

from config.settings import Settings
from config.settings.webhooks import webhook_host
from config.webhook_events import EVENTS, named

#: What an event is about; the names of events begin with it.
Family = Literal["job", "response", "batch"]


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """`host` is that of the address, by which attempts are bounded. `events`: the names of those that are told."""

    url: str
    host: str
    family: Family = "job"
    events: tuple[str, ...] = EVENTS

    def encode(self) -> str:
        return msgspec.json.encode(self).decode()

    @staticmethod
    def decode(text: str) -> "Webhook":
        return msgspec.json.decode(text, type=Webhook)

    @staticmethod
    def to(url: str, family: Family, events: tuple[str, ...] = EVENTS) -> "Webhook":
        return Webhook(url=url, host=webhook_host(url), family=family, events=events)

    @staticmethod
    def of(settings: Settings, family: Family = "job") -> "Webhook | None":
        """That of the settings, if they have one."""
        if not settings.webhook_url:
            return None
        return Webhook.to(settings.webhook_url, family, named(settings.webhook_events))
