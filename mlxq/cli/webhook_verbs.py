"""The verbs for webhooks, as the command line reads them. What they do is in `webhooks.py`."""

import argparse
from typing import Any


def add_webhook_verbs(verbs: Any, address: argparse.ArgumentParser) -> None:
    """Add them to the command's parser."""
    one = verbs.add_parser("webhooks", help="which events were delivered", parents=[address])
    one.add_argument("--job", help="only those of this job, response or batch")
    one = verbs.add_parser("redeliver", help="deliver an event again", parents=[address])
    one.add_argument("delivery", help="its id")
