"""The scripts of the gate, and what both of its sides share."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha1
from pathlib import Path

#: Share of Redis' maxmemory above which ended jobs are deleted, and no job is accepted if that does not help.
MEMORY_MARK = 0.8


@dataclass(frozen=True, slots=True)
class Ttl:
    """Seconds that a finished job (`result`) and its events (`events`) are kept."""

    result: int
    events: int


@cache
def script(name: str) -> tuple[str, str]:
    """The text of a script and its SHA-1, by which Redis knows it."""
    folder = Path(__file__).parent
    text = (folder / "common.lua").read_text() + "\n" + (folder / f"{name}.lua").read_text()
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


def iso_now() -> str:
    """Now in RQ's timestamp format."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
