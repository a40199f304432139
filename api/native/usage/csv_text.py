"""Rows of usage as CSV (RFC 4180), with names that spreadsheets take for text."""

import csv
import io
from collections.abc import Collection, Sequence

from api.native.usage.report import GROUPS
from api.native.usage.schema import UsageFigures, UsageRow

#: What a cell begins with that spreadsheets take for a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_text(rows: Sequence[UsageRow], group_by: Collection[str]) -> str:
    """A line with the names of the columns, and one for each row. What is null is empty."""
    names = [name for name in GROUPS if name in group_by]
    figures = list(UsageFigures.__annotations__)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*names, *figures])
    for row in rows:
        cells: dict[str, object] = dict(row)
        writer.writerow([*(_name(cells[name]) for name in names), *(cells[name] for name in figures)])
    return text.getvalue()


def _name(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
