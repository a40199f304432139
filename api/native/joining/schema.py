"""The answer of `/v1/join`."""

from typing_extensions import TypedDict


class JoinPlace(TypedDict):
    """Where workers of other machines join: ports of the gateway. Both sides must have the same `protocol`."""

    port: int
    redis_port: int
    version: str
    protocol: str
