"""The parameters of a search on the hub."""

from dataclasses import dataclass
from typing import Literal

Sort = Literal["created_at", "downloads", "last_modified", "likes", "trending_score"]

#: Seconds that the hub has for one answer.
PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class Search:
    """A list that is wanted of the hub: `tags` are those that a model must have, all of them."""

    query: str = ""
    sort: Sort = "downloads"
    limit: int = 20
    tags: tuple[str, ...] = ("mlx",)
    pipeline: str | None = None
