"""What can be asked of the hub, and that it did not answer."""

from dataclasses import dataclass
from typing import Literal

from jobs.errors import ServiceUnavailable

Sort = Literal["created_at", "downloads", "last_modified", "likes", "trending_score"]

#: Seconds that the hub has for one answer.
PATIENCE = 15.0


class HubUnavailable(ServiceUnavailable):
    """The hub is offline, out of reach, or does not want to answer now."""

    code = "hub_unavailable"

    @classmethod
    def because(cls, error: Exception) -> "HubUnavailable":
        return cls(
            f"The model hub is out of reach ({type(error).__name__}). Installed models work all the same.",
            retry_after=30,
        )


@dataclass(frozen=True, slots=True)
class Search:
    """A list that is wanted of the hub: `tags` are those that a model must have, all of them."""

    query: str = ""
    sort: Sort = "downloads"
    limit: int = 20
    tags: tuple[str, ...] = ("mlx",)
    pipeline: str | None = None
