"""Rows of text as columns in a terminal or a pipe."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def show(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print them. In a pipe no cell is cut off."""
    table = Table(box=None, pad_edge=False, header_style="")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console(markup=True, highlight=False)
    console.print(table, width=None if console.is_terminal else 1000, soft_wrap=not console.is_terminal)
