"""How long a client waits, and for which job: `Prefer` (RFC 7240), `background`, headers of SDKs and caches."""

import math
import re
from dataclasses import dataclass

from starlette.datastructures import Headers

#: Longest wait that `Prefer: wait` can ask for, in seconds.
LONGEST_WAIT = 600.0

_WAIT = re.compile(r"wait=\"?([0-9]{1,9})\"?")


@dataclass(frozen=True, slots=True)
class Preference:
    """`wait`: seconds to wait before the answer is 202; None to wait for the end. `applied`: header value."""

    wait: float | None = None
    applied: str | None = None

    @property
    def synchronous(self) -> bool:
        return self.wait is None


SYNCHRONOUS = Preference()


def preference(headers: Headers, *, background: bool = False) -> Preference:
    """The preference of the client. Invalid values are ignored, as the RFC requires."""
    tokens = [
        token.split(";")[0].strip().lower() for line in headers.getlist("prefer") for token in line.split(",")
    ]
    wait = next((float(found[1]) for token in tokens if (found := _WAIT.fullmatch(token))), None)
    if background:
        return Preference(0.0, "respond-async" if "respond-async" in tokens else None)
    if wait is not None:
        wait = min(wait, LONGEST_WAIT)
        applied = f"respond-async, wait={wait:.0f}" if "respond-async" in tokens else f"wait={wait:.0f}"
        return Preference(wait, applied)
    return Preference(0.0, "respond-async") if "respond-async" in tokens else SYNCHRONOUS


def read_timeout(headers: Headers) -> float | None:
    """Seconds after which the client's SDK stops waiting; None if it does not say."""
    try:
        seconds = float(headers.get("x-stainless-read-timeout", ""))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def wants_fresh(headers: Headers) -> bool:
    """Whether the client wants an answer of its own (RFC 9111, 5.2.1.4)."""
    return any(
        directive.strip().lower() == "no-cache"
        for line in headers.getlist("cache-control")
        for directive in line.split(",")
    )


def is_retry(headers: Headers) -> bool:
    """Whether this request is a retry of the SDK."""
    count = headers.get("x-stainless-retry-count", "0")
    return count.isdecimal() and int(count[:9]) >= 1
