"""The verb for usage, as the command line reads it. What it does is in `usage.py`."""

import argparse
from typing import Any

from mlxq.cli.verbs import add_verb


def add_usage(verbs: Any, address: argparse.ArgumentParser) -> None:
    """Add it to the command's parser."""
    one = add_verb(verbs, "usage", "show what apps have used, by day and model", address)
    one.add_argument(
        "--from", dest="first", metavar="DATE", help="the first day, as 2026-11-26; without it, 30 days"
    )
    one.add_argument("--to", dest="last", metavar="DATE", help="the last day; without it, today")
    one.add_argument(
        "--by",
        default="day,app,model",
        metavar="NAMES",
        help="of day, app, key, model and kind, with commas between; by default %(default)s",
    )
    one.add_argument("--csv", action="store_true", help="all figures as CSV, for a spreadsheet")
