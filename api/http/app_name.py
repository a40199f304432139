"""The name of the calling program, as its request's headers say it."""

from starlette.requests import HTTPConnection

#: Headers that name a program, the best first.
_APP_HEADERS = ("x-app", "x-title", "user-agent")
_LONGEST_APP = 64


def app_name(request: HTTPConnection) -> str:
    """What the program calls itself: printable, short, and without the version that SDKs add."""
    for name in _APP_HEADERS:
        value = request.headers.get(name, "")
        text = "".join(c for c in value if c.isprintable()).strip()
        if name == "user-agent":
            text = text.split(" ")[0].partition("/")[0]
        if text:
            return text[:_LONGEST_APP]
    return ""
