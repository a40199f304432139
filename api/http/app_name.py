"""The name of the calling program, from the headers of its request."""

from starlette.requests import HTTPConnection

#: Headers with the name of a program, the preferred one first.
_APP_HEADERS = ("x-app", "x-title", "user-agent")
_LONGEST_APP = 64


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
