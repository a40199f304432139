"""What differs between dialects in every answer: how an error is written.

A dialect is an API in whose shapes a client is answered. This module knows none of them; each is an object in the
folder of its dialect. How streams are written belongs to the `Frames` of each resource.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol

from jobs.errors import MlxqError

#: Characters that a client is told of an error.
_LONGEST_MESSAGE = 2_000


def told(message: str) -> str:
    """An error's message for a client. One that quotes the request is cut: it is no place for megabytes."""
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[: _LONGEST_MESSAGE - 1]}…"


class Named(Protocol):
    """A body's type: a pydantic model, a TypedDict or a TypeAliasType. No two have the same name."""

    @property
    def __name__(self) -> str: ...


class Dialect(ABC):
    """One API."""

    #: stored with each job, so that whoever asks for the job later is answered in the same shapes
    name: str
    #: the type of `error_body`, for the description
    error_type: Named
    #: what clients may put before the paths of this dialect, and the header by which it is known where another one
    #: has the same address
    base: str = ""
    mark: tuple[bytes, bytes] | None = None

    @abstractmethod
    def error_body(self, error: MlxqError, request_id: str) -> Mapping[str, object]:
        """The JSON of a response. Its member `error` is what the job object shows of a job that failed."""

    def error_status(self, error: MlxqError) -> int:
        """The status of a response."""
        return error.status

    def error_headers(self, error: MlxqError, request_id: str) -> Mapping[str, str]:
        """Headers beside those of all dialects (`retry-after`, `x-should-retry`, `www-authenticate`)."""
        return {}
