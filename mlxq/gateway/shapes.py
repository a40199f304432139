"""What a worker that joins and the gateway tell each other, as JSON; and which settings must agree."""

import msgspec

from config.settings import Settings

#: Settings of the server that hold for every worker of its queues: times in Redis, and bounds of what the API takes.
AGREED = (
    "aging_time",
    "events_ttl",
    "max_attempts",
    "max_audio_seconds",
    "max_image_megapixels",
    "max_reference_seconds",
    "result_ttl",
)


class Place(msgspec.Struct, frozen=True):
    """Where to join: ports of the gateway, and the versions of the server. Nothing of it is secret."""

    port: int
    redis_port: int
    version: str
    protocol: str


class Request(msgspec.Struct, frozen=True):
    """Of a worker. Its key is in the header of authorization. `host` and `pid` become a part of its name."""

    host: str
    pid: int
    version: str
    protocol: str


class Welcome(msgspec.Struct, frozen=True):
    """`settings` has those of AGREED."""

    worker: str
    token: str
    redis_port: int
    version: str
    settings: dict[str, float]


def agreed(settings: Settings) -> dict[str, float]:
    return {name: getattr(settings, name) for name in AGREED}
