"""The answer of `/health`."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict


class Health(TypedDict):
    """`redis`, `worker` and `reason` are there unless all is well.

    `degraded`: requests are served, and `reason` says what is missing. `unhealthy`: they are not.
    """

    status: Literal["healthy", "degraded", "unhealthy"]
    redis: NotRequired[Literal["ok", "memory_short", "denied", "lost"]]
    worker: NotRequired[Literal["ok", "lost", "unknown"]]
    reason: NotRequired[str]
