"""The scripts of the gate, and what both of its sides share."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from pathlib import Path

from config.settings import Settings
from jobs.clock import CLOCK

#: Share of Redis' maxmemory above which ended jobs are deleted, and no job is accepted if that does not help.
MEMORY_MARK = 0.8


@dataclass(frozen=True, slots=True)
class Ttl:
    """Seconds that a finished job (`result`) and its events (`events`) are kept."""

    result: int
    events: int

    @staticmethod
    def of(settings: Settings) -> "Ttl":
        return Ttl(result=int(settings.result_ttl), events=int(settings.events_ttl))


_FOLDER = Path(__file__).parent
#: Files of what scripts share, each after those that it uses.
_SHARED = ("common", "lines", "metrics", "usage", "announce", "states", "memory", "watchers", "resend")
#: Where a definition begins in them: at the left margin, as nothing else does; and the names that it defines.
_BEGINNING = re.compile(r"^(?=local |function )", re.MULTILINE)
_NAMES = re.compile(r"(?:local function|local|function) ([\w, ]+)")
_WORD = re.compile(r"[A-Za-z_]\w*")

#: Tells of the end of a job; batches tell of theirs by it too.
ANNOUNCE = _FOLDER / "announce.lua"


@cache
def script(name: str) -> tuple[str, str]:
    """The text of a script and its SHA-1, by which Redis knows it.

    Redis makes every function of a script anew with each call: a script gets only those that it may use.
    """
    own = (_FOLDER / f"{name}.lua").read_text()
    text = "\n".join([*_used(own), own])
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


def _used(text: str) -> list[str]:
    """The shared definitions that the text names, and those that they name, in their order."""
    definitions = _definitions()
    found: set[int] = set()
    words = _words(text)
    while more := [at for at, (names, _) in enumerate(definitions) if at not in found and names & words]:
        found.update(more)
        words = words.union(*(_words(definitions[at][1]) for at in more))
    return [definitions[at][1] for at in sorted(found)]


@cache
def _definitions() -> list[tuple[frozenset[str], str]]:
    """The names of each shared definition, and its text."""
    return [each for part in _SHARED for each in _split((_FOLDER / f"{part}.lua").read_text())]


def _split(text: str) -> Iterator[tuple[frozenset[str], str]]:
    for part in _BEGINNING.split(_code(text)):
        if names := _NAMES.match(part):
            yield frozenset(_WORD.findall(names[1])), part.rstrip()


def _code(text: str) -> str:
    """Without lines that are empty or comments."""
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("--"))
    return "\n".join(lines)


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(_code(text)))


def iso_now() -> str:
    """Now by Redis' clock, in RQ's timestamp format."""
    return CLOCK.iso()
