"""The verbs for the order of jobs: what waits; pause and resume; hold, release, move and rank a job."""

import argparse
from collections.abc import Callable
from typing import Any

from mlxq.cli.server import Server
from mlxq.cli.table import show, tell

#: Fields of a job that are shown as they are.
_COLUMNS = ("id", "service_class", "app", "wait_reason")
#: Jobs that are listed.
_MOST = 100


def actions(wanted: argparse.Namespace) -> dict[str, Callable[[Server], None]]:
    """What each of these verbs does with the server."""
    return {
        "queue": waiting,
        "pause": lambda server: _pause(server, "pause", wanted),
        "resume": lambda server: _pause(server, "resume", wanted),
        "hold": lambda server: _change(server, wanted.job, "hold"),
        "release": lambda server: _change(server, wanted.job, "release"),
        "move": lambda server: _change(server, wanted.job, "move", to="up" if wanted.up else "front"),
        "rank": lambda server: _change(server, wanted.job, "class", service_class=wanted.service_class),
    }


def waiting(server: Server) -> None:
    """The jobs that wait, what is paused, and what the background waits for."""
    jobs = server.ask("GET", "/v1/jobs", status="queued", limit=_MOST)["data"]
    jobs.sort(key=lambda job: (job["queue"], job["position"] or _MOST * len(jobs)))
    rows = [
        (job["queue"], str(job["position"] or ""), *(str(job[name] or "") for name in _COLUMNS))
        for job in jobs
    ]
    show(("QUEUE", "PLACE", "ID", "CLASS", "APP", "WAITS FOR"), rows)
    _tell_paused(server.ask("GET", "/v1/queue/stats"))


def _pause(server: Server, verb: str, wanted: argparse.Namespace) -> None:
    asked = {"queue": wanted.queue, "service_class": wanted.service_class}
    if getattr(wanted, "requeue", False):
        asked["running"] = "requeue"
    params = {name: value for name, value in asked.items() if value is not None}
    _tell_paused(server.ask("POST", f"/v1/queue/{verb}", **params))


def _tell_paused(stats: Any) -> None:
    queues = stats["queues"].items()
    whole = ["everything"] if stats["paused"] else [name for name, queue in queues if queue["paused"]]
    classes = [
        f"{name} ({', '.join(queue['paused_classes'])})" for name, queue in queues if queue["paused_classes"]
    ]
    told = ", ".join([*whole, *classes])
    tell(f"Paused: {told}." if told else "Nothing is paused.")
    for message in {rest["message"]: None for rest in stats["resting"]}:
        tell(f"{message[:1].upper()}{message[1:]}.")


def _change(server: Server, job_id: str, verb: str, **params: str) -> None:
    job = server.ask("POST", f"/v1/jobs/{job_id}/{verb}", **params)
    place = "no place" if job["position"] is None else f"place {job['position']}"
    told = f"{job['id']}: {job['service_class']}, {place}, {job['wait_reason'] or 'waits for nothing'}"
    tell(told)
