"""The `warning` header (RFC 7234), which names ignored parameters."""

from collections.abc import Iterable, Mapping

from api.http.header_text import header_text


def warned(headers: Mapping[str, str], texts: Iterable[str]) -> dict[str, str]:
    """The same headers with these warnings beside those that are there."""
    said = [headers["warning"]] if "warning" in headers else []
    said += [f'299 mlxq "{header_text(text)}"' for text in texts]
    return {**headers, "warning": ", ".join(said)} if said else dict(headers)
