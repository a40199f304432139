"""Counts the values of a JSON body before any of them becomes an object.

Ten megabytes can hold millions of values, which take seconds to parse and gigabytes to hold. The count takes
milliseconds. It knows bytes; it does not parse.
"""

from jobs.errors import InvalidRequest

#: Values of a body: items of lists, names and values of objects. The largest batch of token ids that OpenAI's
#: embeddings take has 300,000.
MAX_VALUES = 400_000
#: Lists and objects of a body.
MAX_CONTAINERS = 50_000


def check_size(raw: bytes) -> None:
    """Raises InvalidRequest for a body with too many values, or too many lists and objects.

    What is not JSON may be counted wrongly; the parser refuses it before it makes an object of it.
    """
    if _within(raw):
        return
    # Strings may contain these characters. Without escapes, every second part between quotes is a string.
    plain = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    if plain.count(b'"') > 2 * MAX_VALUES or not _within(b"".join(plain.split(b'"')[::2])):
        raise InvalidRequest(
            f"The body has too many values: at most {MAX_VALUES:,} are taken, of which {MAX_CONTAINERS:,} may be "
            "lists or objects.",
            code="invalid_json",
        )


def _within(raw: bytes) -> bool:
    if raw.count(b",") + raw.count(b":") > MAX_VALUES:
        return False
    return raw.count(b"[") + raw.count(b"{") <= MAX_CONTAINERS
