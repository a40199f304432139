"""The progress of one download: bytes, speed and the remaining time."""

import time
from collections import deque
from collections.abc import Callable

from jobs.events import ProgressState

#: Seconds over which the speed is the mean.
_WINDOW = 10.0


class Meter:
    def __init__(
        self, total: int, resumed: int, files: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`resumed`: bytes that an earlier attempt has left."""
        self.total, self.done, self.resumed = total, resumed, resumed
        #: of which the last bytes were
        self.file: str | None = None
        self.fetched = 0
        self.files, self.files_done = files, 0
        self._clock = clock
        self._marks: deque[tuple[float, int]] = deque([(clock(), 0)])

    def add(self, size: int, file: str) -> None:
        """So many bytes of this file have come."""
        self.file = file
        self.done += size
        self.fetched += size

    def lose(self, size: int) -> None:
        """Discarded bytes have to be downloaded again."""
        self.done -= size

    def state(self) -> ProgressState:
        """The progress for events and `/v1/jobs`. `eta` and the speed are null while they are unknown."""
        now = self._clock()
        self._marks.append((now, self.fetched))
        while len(self._marks) > 2 and now - self._marks[0][0] > _WINDOW:
            self._marks.popleft()
        since, before = self._marks[0]
        speed = (self.fetched - before) / (now - since) if now > since else 0.0
        return ProgressState(
            done=self.done,
            total=self.total,
            unit="bytes",
            bytes_per_second=round(speed) or None,
            eta=round((self.total - self.done) / speed, 1) if speed >= 1 else None,
            file=self.file,
            files_done=self.files_done,
            files=self.files,
            resumed=self.resumed,
        )
