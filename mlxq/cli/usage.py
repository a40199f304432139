"""The verb `usage`: what apps have used, as a table or as CSV."""

import argparse
import sys
from typing import Any

from mlxq.cli.server import Server
from mlxq.cli.table import show

#: Rows that are asked for at a time.
_PAGE = 1000
#: Columns of figures: their names, fields and units.
_FIGURES = (
    ("REQUESTS", "requests", ""),
    ("FAILED", "failed", ""),
    ("PROMPT", "prompt_tokens", ""),
    ("CACHED", "cached_tokens", ""),
    ("ANSWER", "completion_tokens", ""),
    ("IMAGES", "images", ""),
    ("AUDIO", "audio_seconds", " s"),
    ("CHARACTERS", "characters", ""),
    ("DEVICE", "device_seconds", " s"),
)


def usage(server: Server, wanted: argparse.Namespace) -> None:
    """Columns without any figure are left out; the last row is the sum of all."""
    asked = {"from": wanted.first, "to": wanted.last, "group_by": wanted.by}
    params = {name: value for name, value in asked.items() if value is not None}
    if wanted.csv:
        sys.stdout.write(server.text("/v1/usage", format="csv", **params))
        return
    answer = server.ask("GET", "/v1/usage", limit=_PAGE, **params)
    rows: list[Any] = answer["data"]
    total = answer["total"]
    while answer["has_more"]:
        answer = server.ask("GET", "/v1/usage", limit=_PAGE, after=answer["last_id"], **params)
        rows += answer["data"]
    names = answer["group_by"]
    figures = [each for each in _FIGURES if total[each[1]] or each[1] == "requests"]
    currency = answer["prices"]["currency"]
    columns = (*(name.upper() for name in names), *(title for title, _, _ in figures), f"CLOUD ({currency})")

    def cells(row: Any) -> tuple[str, ...]:
        return (
            *(_number(row[field]) + unit for _, field, unit in figures),
            "" if row["cost"] is None else f"{row['cost']:.4f}",
        )

    shown = [(*(str(row[name] or "-") for name in names), *cells(row)) for row in rows]
    last = ("all", *[""] * (len(names) - 1)) if names else ()
    show(columns, [*shown, *([(*last, *cells(total))] if names else [])])


def _number(value: float) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"
