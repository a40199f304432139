"""The verbs for several machines, as the command line reads them. What they do is in `workers.py`."""

import argparse
from typing import Any

from mlxq.cli.verbs import add_verb

#: Where workers join unless JOIN_PORT says otherwise.
_PORT = 8081


def add_join_option(serve: argparse.ArgumentParser) -> None:
    """Add it to `serve`."""
    serve.add_argument(
        "--join",
        type=int,
        nargs="?",
        const=_PORT,
        metavar="PORT",
        help=f"let workers of other machines join at this port ({_PORT}) and the next one, instead of JOIN_PORT",
    )


def add_worker_verbs(verbs: Any, address: argparse.ArgumentParser) -> None:
    """Add them to the command's parser."""
    one = add_verb(verbs, "worker", "run a worker of the server on this machine, or on another one")
    one.add_argument(
        "--join", metavar="URL", nargs="?", const="", help="the server; without URL, one is looked for"
    )
    one.add_argument("--key", help="what `mlxq join-key` printed there, instead of MLXQ_JOIN_KEY")
    one = add_verb(verbs, "join-key", "make a key for a worker of another machine; run it at the server")
    one.add_argument("--name", default="", help="what the key is called in lists")
    what = one.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", dest="listed", help="list the keys instead")
    what.add_argument("--revoke", metavar="ID", help="end a key, and the sessions of those who have it")
    add_verb(verbs, "workers", "list the machines that work for the server", address)
