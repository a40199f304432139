"""The calling program, from the headers of its request: its name, and the share of a queue that it has."""

import re
import zlib

from starlette.requests import HTTPConnection

from jobs.request import NOBODY

#: Headers with the name of a program, the preferred one first.
_APP_HEADERS = ("x-app", "x-title", "user-agent")
_LONGEST_APP = 64
#: Headers with the session of a program, the preferred one first.
_SESSION_HEADERS = ("x-claude-code-session-id", "x-openwebui-chat-id")
_MOST_SESSIONS = 16
#: Characters of a name, and of the hash of a key, that the name of a share has.
_LONGEST_SHARE, _OWNER = 40, 8
#: What the name of a share has no characters of.
_UNUSUAL = re.compile(r"[^A-Za-z0-9._-]+")


def app_name(request: HTTPConnection) -> str:
    """The name: printable, short, and without the version that SDKs add."""
    for name in _APP_HEADERS:
        value = request.headers.get(name, "")
        text = "".join(c for c in value if c.isprintable()).strip()
        if name == "user-agent":
            text = text.split(" ")[0].partition("/")[0]
        if text:
            return text[:_LONGEST_APP]
    return ""


def share_name(request: HTTPConnection, owner: str, session: str | None) -> str:
    """By whom a request shares its queue: a program, of a key, in a session. It is part of a queue's name for RQ.

    `owner` stands for the key, `session` is what the body says of it. Sessions of a program have a bounded number of
    shares: else a program with a session for each of its requests would leave little to others.
    """
    session = next((value for name in _SESSION_HEADERS if (value := request.headers.get(name))), session)
    parts = [_UNUSUAL.sub("-", app_name(request)).strip("-")[:_LONGEST_SHARE] or NOBODY]
    if owner:
        parts.append(owner[:_OWNER])
    if session:
        parts.append(str(zlib.crc32(session.encode()) % _MOST_SESSIONS))
    return ".".join(parts)
