"""The scripts of the gate are put together from definitions: each has those that it names where it names them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from jobs import gate
from jobs.gate.scripts import SHARED, script

FOLDER = Path(gate.__file__).parent
FILES = sorted(FOLDER.glob("*.lua"))
SCRIPTS = [file.stem for file in FILES if file.stem not in SHARED]
_MADE = re.compile(r"( *)-- Made here: (.+)")


def lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of code, and how far they are indented."""
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("--"):
            yield len(line) - len(line.lstrip()), line


@pytest.mark.parametrize("name", SCRIPTS)
def test_redis_takes_every_script(clean_redis: redis.Redis, name: str) -> None:
    text, sha = script(name)
    assert clean_redis.script_load(text) == sha
    assert "Made here" not in text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_is_made_in_a_block_is_used_only_there(file: Path) -> None:
    text = file.read_text()
    for definition in re.split(r"^(?=local |function )", text, flags=re.MULTILINE):
        made = [
            (each.end(), len(each[1]), re.findall(r"\w+", each[2])) for each in _MADE.finditer(definition)
        ]
        inside: dict[str, str] = {}
        for end, indent, names in made:
            block = ""
            for depth, line in lines(definition[end:]):
                if depth < indent:
                    break
                block += line + "\n"
            inside |= {name: inside.get(name, "") + block for name in names}
        code = "\n".join(line for _, line in lines(definition))
        for name, block in inside.items():
            use = rf"(?<![.\w]){name}\b"
            assert re.findall(use, block), f"{name} is made for nothing"
            assert len(re.findall(use, code)) == len(re.findall(use, block)), f"{name} is used elsewhere"
