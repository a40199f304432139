"""A slot for the memory policy, without a lane."""

from dataclasses import dataclass

from jobs.kinds import Category


@dataclass(eq=False)
class Seat:
    """A slot that does as it is told."""

    model: str | None
    idle_since: float | None
    pinned: bool = False
    keep: float | None = None
    cache_bytes: int = 0
    category: Category = Category.LLM
    bytes: int = 0
    coming_bytes: int = 0

    def clear_cache(self, wanted: int | None = None) -> None:
        self.cache_bytes = 0 if wanted is None else max(0, self.cache_bytes - wanted)

    def pins(self, model: str) -> bool:
        return self.pinned

    def give_way(self) -> None:
        pass

    def evict(self, *, wait: bool = True) -> bool:
        self.model = None
        return True
