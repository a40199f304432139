"""The verbs for webhooks: which events were delivered; delivering one again."""

import argparse
from collections.abc import Callable
from datetime import datetime
from typing import Any

from mlxq.cli.server import Server
from mlxq.cli.table import show, tell

#: Deliveries that are listed.
_MOST = 100


def webhook_actions(wanted: argparse.Namespace) -> dict[str, Callable[[Server], None]]:
    """What each of these verbs does with the server."""
    return {
        "webhooks": lambda server: deliveries(server, wanted.job),
        "redeliver": lambda server: redeliver(server, wanted.delivery),
    }


def deliveries(server: Server, job: str | None) -> None:
    params = {"limit": _MOST} | ({"job": job} if job else {})
    rows = [
        (each["id"], each["event"], each["host"], each["status"], str(len(each["attempts"])), *_last(each))
        for each in server.ask("GET", "/v1/webhooks/deliveries", **params)["data"]
    ]
    show(("ID", "EVENT", "HOST", "STATUS", "TRIES", "LAST", "NEXT"), rows)


def redeliver(server: Server, delivery: str) -> None:
    found = server.ask("POST", f"/v1/webhooks/deliveries/{delivery}/redeliver")
    tell(f"{found['id']}: {found['status']}")


def _last(delivery: Any) -> tuple[str, str]:
    """What came of the last attempt, and when the next one is."""
    last = delivery["attempts"][-1] if delivery["attempts"] else None
    told = "" if last is None else str(last["status"] or last["error"])
    at = delivery["next_attempt_at"]
    return told, "" if at is None else f"{datetime.fromtimestamp(at):%d %b %H:%M:%S}"
