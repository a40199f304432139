"""Counts the values of a JSON body before any of them becomes an object.

Ten megabytes can hold millions of values, which take seconds to parse and gigabytes to hold. The count takes
milliseconds. It knows bytes; it does not parse.
"""

from collections.abc import Iterator

from jobs.errors import InvalidRequest

#: Values of a body: items of lists, names and values of objects. The largest batch of token ids that OpenAI's
#: embeddings take has 300,000.
MAX_VALUES = 400_000
#: Lists and objects of a body.
MAX_CONTAINERS = 50_000
#: Bytes that are counted at a time. Other threads may run between two blocks.
_BLOCK = 1 << 16


def check_size(raw: bytes) -> None:
    """Raises InvalidRequest for a body with too many values, or too many lists and objects.

    What is not JSON may be counted wrongly; the parser refuses it before it makes an object of it.
    """
    values = containers = quotes = 0
    for block in _blocks(raw):
        # Strings may contain what is counted. Without escapes, every second part between quotes is a string.
        if b"\\" in block:
            block = block.replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = block.split(b'"')
        plain = b"".join(parts[quotes % 2 :: 2])
        quotes += len(parts) - 1
        values += plain.count(b",") + plain.count(b":")
        containers += plain.count(b"[") + plain.count(b"{")
        if values > MAX_VALUES or containers > MAX_CONTAINERS or quotes > 2 * MAX_VALUES:
            raise InvalidRequest(
                f"The body has too many values: at most {MAX_VALUES:,} are taken, of which {MAX_CONTAINERS:,} may be "
                "lists or objects.",
                code="invalid_json",
            )


def _blocks(raw: bytes) -> Iterator[bytes]:
    """Pieces of a body, none of which ends within an escape."""
    start = 0
    while start < len(raw):
        end = start + _BLOCK
        block = raw[start:end]
        if (len(block) - len(block.rstrip(b"\\"))) % 2:
            end += 1
        yield raw[start:end]
        start = end
