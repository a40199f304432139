"""Text of clients and models in values of headers, which have only printable ASCII."""

from urllib.parse import quote

#: Characters of a value: clients refuse heads of more than a few kilobytes.
_LONGEST = 1_000
#: What stays as it is: printable ASCII without `%`, and without `"` and `\\`, which end or escape in a quoted string.
_PLAIN = " !#$&'()*+,-./0123456789:;<=>?@[]^_`{|}~"


def header_text(words: str) -> str:
    """The words, cut where they are long, for the inside of a quoted string (RFC 9110).

    Other signs are written as RFC 8187 does, in percent and hexadecimal digits of their UTF-8: `caf%C3%A9`.
    """
    text = quote(words[:_LONGEST], safe=_PLAIN, errors="replace")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
