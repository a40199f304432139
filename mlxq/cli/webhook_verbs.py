"""The verbs for webhooks, as the command line reads them. What they do is in `webhooks.py`."""

import argparse
from typing import Any

from mlxq.cli.verbs import add_verb


def add_webhook_verbs(verbs: Any, address: argparse.ArgumentParser) -> None:
    """Add them to the command's parser."""
    one = add_verb(verbs, "webhooks", "show which events were delivered", address)
    one.add_argument("--job", help="only those of this job, response or batch")
    one = add_verb(verbs, "redeliver", "deliver an event again", address)
    one.add_argument("delivery", help="its id")
