"""The verbs for the order of jobs, as the command line reads them. What they do is in `queue.py`."""

import argparse
from typing import Any

from mlxq.cli.verbs import add_verb

_QUEUES = ("llm", "asr", "tts", "image", "embedding", "download")
_CLASSES = ("interactive", "normal", "background")


def add_verbs(verbs: Any, address: argparse.ArgumentParser) -> None:
    """Add them to the command's parser."""
    add_verb(verbs, "queue", "list what waits, in its order", address)
    for name, words in (("pause", "start no more jobs"), ("resume", "start jobs again")):
        one = add_verb(verbs, name, words, address)
        one.add_argument("queue", nargs="?", choices=_QUEUES, help="only of this queue")
        one.add_argument("--class", dest="service_class", choices=_CLASSES, help="only of this class")
        if name == "pause":
            one.add_argument("--requeue", action="store_true", help="running jobs go back to their queue")
    for name, words in (
        ("hold", "keep a waiting job from starting"),
        ("release", "let a job that is held start"),
        ("move", "let a waiting job go before all others of its class"),
        ("rank", "change the class of a waiting job"),
    ):
        one = add_verb(verbs, name, words, address)
        one.add_argument("job", help="its id")
        if name == "move":
            one.add_argument(
                "--up", action="store_true", help="only before the job of its app that is before it"
            )
        if name == "rank":
            one.add_argument("service_class", choices=_CLASSES, metavar="class", help=", ".join(_CLASSES))
