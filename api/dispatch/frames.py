"""The frames of a stream in a dialect, one for each event of a job: the interface, and a common base.

Every stream of every dialect goes through `api.dispatch.pump`, which decides when something is written.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

from api.dispatch.progress import JobProgress
from api.http.answers import sse
from jobs.errors import MlxqError
from jobs.events import Entry

#: Of the keep-alives, every so many is an event where clients do not count comments.
EVENT_EVERY = 3


class Frames(ABC):
    """The frames of one stream. Server-sent events, unless `headers` say otherwise."""

    #: of the response
    headers: ClassVar[Mapping[str, str]] = sse.HEADERS

    def begin(self) -> bytes:
        """What comes before all else."""
        return b""

    @abstractmethod
    async def of(self, entry: Entry) -> bytes:
        """What an event that is not the last one becomes; nothing is written for b""."""

    @abstractmethod
    def end(self, entry: Entry) -> AsyncIterator[bytes]:
        """What the last event becomes, and the end of the stream. Raises the error that the job ended with."""

    def alive(self, progress: JobProgress) -> bytes:
        """A keep-alive; b"" where the format has none."""
        return sse.comment(str(progress))

    @abstractmethod
    def failed(self, error: MlxqError) -> bytes | None:
        """How a stream that has begun fails. None: the connection breaks off."""
