"""The verbs `worker`, `join-key` and `workers`: what they do and show."""

import argparse
import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import redis
from redis.exceptions import RedisError

from config.settings import Settings
from jobs.redis.connection import connection
from mlxq.cli.serve import supervise
from mlxq.cli.server import Problem, Server
from mlxq.cli.table import show, tell
from mlxq.gateway import join_keys
from mlxq.gateway.certificate import certificate_of
from mlxq.gateway.discovery import NoDiscovery, find
from mlxq.gateway.join_keys import JoinKey

_LONGEST_NAME = 64


def worker_actions(wanted: argparse.Namespace, settings: Settings) -> dict[str, Callable[[Server], None]]:
    """What each of these verbs does."""
    return {
        "worker": lambda _: work(settings, wanted.join, wanted.key),
        "join-key": lambda _: keys(settings, wanted),
        "workers": workers,
    }


def work(settings: Settings, url: str | None, key: str | None) -> None:
    """Become a supervised worker. `url`: of the server; empty: it is looked for; None: by the environment."""
    if url == "":
        known = settings.join_key.get_secret_value() if settings.join_key is not None else ""
        parsed = JoinKey.parse(key or known)
        try:
            url = find("" if parsed is None else parsed.fingerprint)
        except NoDiscovery as error:
            raise Problem(str(error)) from None
        print(f"joining {url}")
    given = {"MLXQ_JOIN": url, "MLXQ_JOIN_KEY": key}
    os.environ |= {name: value for name, value in given.items() if value is not None}
    supervise(["worker"])


def keys(settings: Settings, wanted: argparse.Namespace) -> None:
    """Make, list or revoke keys. Raises Problem."""
    with _redis(settings) as client:
        if wanted.listed:
            rows = [
                (key_id, record.name, datetime.fromtimestamp(record.made).strftime("%Y-%m-%d %H:%M"))
                for key_id, record in join_keys.listed(client).items()
            ]
            show(("ID", "NAME", "MADE"), rows)
        elif wanted.revoke is not None:
            if not join_keys.revoke(client, wanted.revoke):
                raise Problem(f"there is no key '{wanted.revoke}'; `mlxq join-key --list` shows them")
            print(f"The key {wanted.revoke} is revoked.")
        else:
            try:
                fingerprint = certificate_of(settings.data_dir).fingerprint
            except (OSError, ValueError) as error:
                raise Problem(f"the certificate can't be read or made ({type(error).__name__})") from None
            print(join_keys.make(client, wanted.name[:_LONGEST_NAME], fingerprint))


@contextlib.contextmanager
def _redis(settings: Settings) -> Iterator[redis.Redis]:
    """That of this machine's server. Raises Problem where it is away."""
    try:
        with contextlib.closing(connection(settings.redis_address)) as client:
            yield client
    except (RedisError, OSError):
        raise Problem(
            f"no Redis answers at {settings.redis_label}: keys are made at the machine of the server, while it runs"
        ) from None


def _told(model: Any) -> str:
    """A model that is not loaded says so: it is being loaded, or could not be."""
    state = model["state"]
    return str(model["id"]) if state == "loaded" else f"{model['id']} ({state})"


def workers(server: Server) -> None:
    """The machines, one a line."""
    found = server.ask("GET", "/v1/workers")["data"]
    rows = [
        (
            each["host"],
            each["chip"],
            ", ".join(map(_told, each["models"])),
            str(each["running"]),
            each["status"],
            each["joined_by"] or "",
        )
        for each in found
    ]
    show(("HOST", "CHIP", "MODELS", "JOBS", "STATUS", "KEY"), rows)
    if not rows:
        tell("No worker runs.")
