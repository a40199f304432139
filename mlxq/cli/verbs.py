"""How a verb is added to the command line, so that its own help says what it is for. It knows no verb."""

import argparse
from typing import Any


def add_verb(verbs: Any, name: str, words: str, *parents: argparse.ArgumentParser, **more: Any) -> Any:
    """The parser of a verb. `words` say what it does, in the list of verbs and in its help."""
    description = f"{words[0].upper()}{words[1:]}."
    return verbs.add_parser(name, help=words, description=description, parents=parents, **more)
