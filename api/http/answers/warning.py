"""The `warning` header (RFC 7234), which names ignored parameters, and models that answer in place of others."""

from collections.abc import Iterable, Mapping

from starlette.requests import HTTPConnection

from api.http.answers.header_text import header_text

#: Notes of one request: it may name many models.
_MOST = 8


def warned(headers: Mapping[str, str], texts: Iterable[str]) -> dict[str, str]:
    """The same headers with these warnings beside those that are there."""
    said = [headers["warning"]] if "warning" in headers else []
    said += [f'299 mlxq "{header_text(text)}"' for text in texts]
    return {**headers, "warning": ", ".join(said)} if said else dict(headers)


def warn(request: HTTPConnection, text: str) -> None:
    """Note what the response to this request is to say. Each text is said once, and no more than a few are."""
    texts = dict.fromkeys((*noted(request), text))
    request.state.warnings = tuple(texts)[:_MOST]


def noted(request: HTTPConnection) -> tuple[str, ...]:
    """What was noted of the request."""
    texts: tuple[str, ...] = getattr(request.state, "warnings", ())
    return texts


def with_noted(request: HTTPConnection, headers: Mapping[str, str]) -> dict[str, str]:
    """The same headers with what was noted of the request."""
    return warned(headers, noted(request))
