"""`jobs/keys.py` lists every key. Scripts write some as literals: they are the same."""

import inspect
import re
from pathlib import Path

import pytest

from jobs import keys

SCRIPTS = sorted(Path(keys.__file__).parent.rglob("*.lua"))
_LITERAL = re.compile(r"'((?:rq|mlxq):[a-z:-]*)'")
_NAME = "\0"


def beginnings() -> set[str]:
    """Every key that has no name in it, and how each other key begins."""
    found = set()
    for name, value in vars(keys).items():
        if isinstance(value, str) and name.isupper():
            found.add(value)
        elif inspect.isfunction(value):
            key = value(*[_NAME] * len(inspect.signature(value).parameters))
            found.add(key.partition(_NAME)[0])
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_key_of_a_script_is_listed(script: Path) -> None:
    # 'rq:' is followed by the name of one of RQ's registries.
    assert set(_LITERAL.findall(script.read_text())) <= {*beginnings(), "rq:"}


def test_the_scripts_write_keys_at_all() -> None:
    assert sum(len(_LITERAL.findall(script.read_text())) for script in SCRIPTS) > 40
