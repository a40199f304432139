"""From rows of usage to the rows of an answer: filtered, grouped, priced and put in order."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import orjson

from api.native.usage.prices import Price, Prices
from api.native.usage.schema import UsageFigures, UsageRow
from jobs.usage import Figures, Row

#: What rows can be grouped by, in the order of the columns.
GROUPS = ("day", "app", "key", "model", "kind")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows count; None: all. `owner`: only those of the key whose hash begins so."""

    owner: str | None = None
    app: str | None = None
    key: str | None = None
    model: str | None = None
    kind: str | None = None

    def __call__(self, row: Row) -> bool:
        return (
            self.owner in (None, row.key)
            and self.app in (None, row.app)
            and self.key in (None, row.key)
            and self.model in (None, _shown(row.model))
            and self.kind in (None, row.kind)
        )


@dataclass(slots=True)
class _Sum:
    figures: Figures = field(default_factory=Figures)
    cost: float | None = None
    unpriced: int = 0

    def add(self, figures: Figures, cost: float | None) -> None:
        self.figures.add(figures)
        if cost is None:
            self.unpriced += figures.completed
        else:
            self.cost = (self.cost or 0.0) + cost

    def shown(self) -> UsageFigures:
        figures = self.figures
        return {
            "requests": figures.requests,
            "completed": figures.completed,
            "failed": figures.failed,
            "cancelled": figures.cancelled,
            "expired": figures.expired,
            "prompt_tokens": figures.prompt_tokens,
            "cached_tokens": figures.cached_tokens,
            "completion_tokens": figures.completion_tokens,
            "images": figures.images,
            "audio_seconds": figures.audio_milliseconds / 1000,
            "characters": figures.characters,
            "device_seconds": figures.device_milliseconds / 1000,
            "cost": None if self.cost is None else round(self.cost, 6),
            "unpriced_requests": self.unpriced,
        }


class Report:
    """Rows are added as they are read."""

    def __init__(self, wanted: Wanted, group_by: Collection[str], prices: Prices) -> None:
        self._wanted = wanted
        self._group_by = [name in group_by for name in GROUPS]
        self._prices = prices
        self._known: dict[tuple[str, str], Price | None] = {}
        self._groups: dict[tuple[str | None, ...], _Sum] = {}
        self._total = _Sum()

    def add(self, rows: Iterable[Row]) -> None:
        for row in filter(self._wanted, rows):
            values = (row.day.isoformat(), row.app, row.key or None, _shown(row.model), row.kind)
            group = tuple(
                value if chosen else None for value, chosen in zip(values, self._group_by, strict=True)
            )
            cost = self._cost(row)
            self._groups.setdefault(group, _Sum()).add(row.figures, cost)
            self._total.add(row.figures, cost)

    def total(self) -> UsageFigures:
        return self._total.shown()

    def rows(self) -> list[UsageRow]:
        """The newest day first, then by names. What has no name is last."""
        named = sorted(self._groups, key=lambda group: [(value is None, value or "") for value in group[1:]])
        return [self._row(group) for group in sorted(named, key=lambda group: group[0] or "", reverse=True)]

    def _cost(self, row: Row) -> float | None:
        if row.model is None:
            return None
        which = row.model, row.kind
        if which not in self._known:
            self._known[which] = self._prices.price(*which)
        price = self._known[which]
        return None if price is None else price.of(row.kind, row.figures)

    def _row(self, group: Sequence[str | None]) -> UsageRow:
        day, app, key, model, kind = group
        return {
            "object": "usage",
            "id": hashlib.sha256(orjson.dumps(group)).hexdigest()[:16],
            "day": day,
            "app": app,
            "key": key,
            "model": model,
            "kind": kind,
            **self._groups[tuple(group)].shown(),
        }


def _shown(model: str | None) -> str | None:
    """A model may be known by its folder, which is nobody's business."""
    return model.rpartition("/")[2] if model is not None and model.startswith("/") else model
