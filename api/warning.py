"""The `warning` header (RFC 7234): what was asked for and does not count."""

from collections.abc import Iterable, Mapping


def warned(headers: Mapping[str, str], texts: Iterable[str]) -> dict[str, str]:
    """The same headers with these warnings beside those that are there."""
    said = [headers["warning"]] if "warning" in headers else []
    said += [f'299 mlxq "{_plain(text)}"' for text in texts]
    return {**headers, "warning": ", ".join(said)} if said else dict(headers)


def _plain(text: str) -> str:
    """What a quoted string of a header may hold, whatever names are in it."""
    return "".join(sign if sign.isascii() and sign.isprintable() else "?" for sign in text).translate(
        {ord('"'): "'", ord("\\"): "/"}
    )
