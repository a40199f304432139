"""The table: medians over rounds, and how many times better mlxq is, round by round."""

import statistics
from collections.abc import Iterable

Round = dict[str, dict[str, float]]
"""Figures of one round by participant and name; the unit is the last word of the name."""

HIGHER_IS_BETTER = ("tokens/s", "requests/s", "cached tokens", "times faster")
NO_MERIT = ("prompt tokens", "client")
OURS, LIMIT = "mlxq", "bare"


def table(rounds: list[Round], theirs: str) -> str:
    """Markdown: our figures beside those of the participant `theirs`.

    A ratio above 1 means that mlxq is better, whatever the unit. In brackets are the extremes.
    """
    lines = [
        f"| | {OURS} | {theirs} | times better (min-max) | bare BatchGenerator | times better than bare |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name in _names(rounds, theirs):
        ours, other, limit = (_values(rounds, who, name) for who in (OURS, theirs, LIMIT))
        cells = [name, _median(ours), _median(other), _ratio(rounds, name, theirs)]
        lines.append(f"| {' | '.join([*cells, _median(limit), _ratio(rounds, name, LIMIT)])} |")
    return "\n".join(lines)


def better(name: str, ours: float, other: float) -> float:
    """How many times better `ours` is than `other`."""
    best, worst = (ours, other) if name.startswith(HIGHER_IS_BETTER) else (other, ours)
    return best / worst if worst else float("nan")


def _names(rounds: Iterable[Round], theirs: str) -> list[str]:
    names: dict[str, None] = {}
    for found in rounds:
        for who in (theirs, OURS):
            names |= dict.fromkeys(found.get(who, {}))
    return list(names)


def _values(rounds: list[Round], who: str, name: str) -> list[float]:
    return [found[who][name] for found in rounds if name in found.get(who, {})]


def _median(values: list[float]) -> str:
    return _show(statistics.median(values)) if values else "-"


def _ratio(rounds: list[Round], name: str, other: str) -> str:
    if name.startswith(NO_MERIT):
        return "-"
    ratios = [
        better(name, found[OURS][name], found[other][name])
        for found in rounds
        if name in found.get(OURS, {}) and name in found.get(other, {})
    ]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})" if ratios else "-"


def _show(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
