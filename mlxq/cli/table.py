"""Lines, and rows as columns, in a terminal or a pipe."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

#: Columns of a pipe.
_WIDEST = 10_000


def show(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print them. In a pipe no cell is cut off."""
    table = Table(box=None, pad_edge=False, header_style="")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console(markup=True, highlight=False)
    if not console.is_terminal:
        console.width = _WIDEST
    console.print(table, soft_wrap=not console.is_terminal)


def tell(text: str) -> None:
    """Print a line. A terminal breaks one that is too long, a pipe gets it whole."""
    Console().print(text, markup=False, highlight=False, soft_wrap=True)
