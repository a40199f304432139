"""Server-sent events: their headers and frames. It does not know what is streamed.

The format is a dozen lines, and the response begins late (`api.http.answers.stream`): a library for it would do less.
"""

import orjson

HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}


def data_frame(value: object) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def named_frame(name: str, value: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(value))


def comment(text: str) -> bytes:
    """A line that clients ignore. It keeps timeouts from ending the connection."""
    return f": {text}\n\n".encode()
