"""The scripts of the gate, and what both of its sides share."""

import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from pathlib import Path

from config.settings import Settings
from jobs.redis.clock import CLOCK

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
SHARED = (
    "common",
    "lines",
    "metrics",
    "usage",
    "announce",
    "states",
    "memory",
    "watchers",
    "resend",
    "machines",
)
#: Where a definition begins in them: at the left margin, as nothing else does; and the names that it defines.
_BEGINNING = re.compile(r"^(?=local |function )", re.MULTILINE)
_NAMES = re.compile(r"(?:local function|local|function) ([\w, ]+)", re.ASCII)
_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
#: The line where functions are made that a script seldom needs.
_MADE_HERE = re.compile(r"^ *-- Made here: (.+)$", re.MULTILINE)
_COMMENT = re.compile(r"^ *(?:--(?! Made here: ).*)?\n", re.MULTILINE)

#: Tells of the end of a job; batches tell of theirs by it too.
ANNOUNCE = _FOLDER / "announce.lua"


@cache
def script(name: str) -> tuple[str, str]:
    """The text of a script and its SHA-1, by which Redis knows it.

    Redis makes every function of a script anew with each call. So a script gets only the shared definitions that it
    names, and those that they name. The line `-- Made here: a, b` stands for definitions that are seldom needed: they
    are made when the script gets there, unless they are there before.
    """
    own = _COMMENT.sub("", (_FOLDER / f"{name}.lua").read_text())
    shared, made = _made(_words(own), frozenset())
    text = shared + _filled(own, made)
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class _Definition:
    names: frozenset[str]
    text: str


@cache
def _definitions() -> tuple[_Definition, ...]:
    texts = (_COMMENT.sub("", (_FOLDER / f"{part}.lua").read_text()) for part in SHARED)
    found = ((each, _NAMES.match(each)) for text in texts for each in _BEGINNING.split(text))
    return tuple(_Definition(frozenset(_WORD.findall(names[1])), text) for text, names in found if names)


def _needed(words: frozenset[str], made: frozenset[str]) -> list[_Definition]:
    """The definitions that are named and not made yet, and those that they need, in their order."""
    found: set[_Definition] = set()
    while more := [each for each in _definitions() if each.names & words - made and each not in found]:
        found.update(more)
        words = words.union(*(_words(each.text) for each in more))
    return [each for each in _definitions() if each in found]


def _made(words: frozenset[str], made: frozenset[str]) -> tuple[str, frozenset[str]]:
    """The text of the definitions that these words need, and all names that are defined after it."""
    parts = []
    for definition in _needed(words, made):
        made |= definition.names
        parts.append(_filled(definition.text, made))
    return "".join(parts), made


def _filled(text: str, made: frozenset[str]) -> str:
    """The text with the definitions that are made in it."""

    return _MADE_HERE.sub(lambda line: _made(frozenset(_WORD.findall(line[1])), made)[0], text)


def _words(text: str) -> frozenset[str]:
    """What a text names, but for what is made in it."""
    seldom = frozenset(_WORD.findall(" ".join(_MADE_HERE.findall(text))))
    return frozenset(_WORD.findall(_MADE_HERE.sub("", text))) - seldom


def iso_now() -> str:
    """Now by Redis' clock, in RQ's timestamp format."""
    return CLOCK.iso()
