"""The scripts of the gate, and what both of its sides share."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha1
from pathlib import Path

from config.settings import Settings

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


#: What a script needs beside common.lua. Every function is made anew with each call: the others do without these.
_PARTS = {
    "admit": ("lines", "metrics", "usage", "announce", "states", "memory", "watchers", "resend"),
    "beat": ("lines",),
    "cancel": ("lines", "metrics", "usage", "announce", "states"),
    "choose": ("lines",),
    "claim": ("lines", "metrics", "usage", "announce", "states"),
    "deliver": ("watchers",),
    "finish": ("lines", "metrics", "usage", "announce", "states"),
    "leave": ("lines", "metrics", "usage", "announce", "states", "watchers"),
    "place": ("lines",),
    "prioritise": ("lines", "metrics", "usage", "announce", "states"),
    "put_back": ("lines", "metrics", "usage", "announce", "states"),
    "rearrange": ("lines",),
    "recover": ("lines", "metrics", "usage", "announce", "states"),
    "release": ("lines", "metrics", "usage", "announce", "states"),
    "relieve": ("lines", "metrics", "usage", "announce", "states", "memory"),
    "sweep": ("lines", "metrics", "usage", "announce", "states"),
    "watch": ("watchers",),
    "yield": ("lines", "metrics", "usage", "announce", "states"),
}


#: Tells of the end of a job; batches tell of theirs by it too.
ANNOUNCE = Path(__file__).parent / "announce.lua"


@cache
def script(name: str) -> tuple[str, str]:
    """The text of a script and its SHA-1, by which Redis knows it."""
    folder = Path(__file__).parent
    parts = ["common", *_PARTS.get(name, ()), name]
    text = "\n".join((folder / f"{part}.lua").read_text() for part in parts)
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


def iso_now() -> str:
    """Now in RQ's timestamp format."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
