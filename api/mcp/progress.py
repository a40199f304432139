"""Progress as the protocol has it, from the events of a job: numbers that rise, and a line of text."""

import math
from collections.abc import Awaitable, Callable

from msgspec import UNSET

from api.dispatch.progress import JobProgress
from jobs.bus import Watch
from jobs.events import Event, Progress

#: Sends a notification: how far, of how much if that is known, and a text.
Tell = Callable[[float, float | None, str], Awaitable[None]]


class Notifier:
    """Of one call. What comes before the first step, such as waiting and loading, lies between 0 and 1 step."""

    def __init__(self, watch: Watch, tell: Tell) -> None:
        self._state = JobProgress(watch)
        self._tell = tell
        self._done = 0.0
        self._total: float | None = None
        self._said = ""

    async def hear(self, event: Event) -> None:
        """Steps count once: those of a job that runs again are told when there are more than before."""
        self._state.hear(event)
        if isinstance(event, Progress):
            if event.done > self._done:
                unit = "steps" if event.unit is UNSET else event.unit
                self._done, self._total = float(event.done), float(event.total)
                await self._tell(self._done, self._total, f"{event.done}/{event.total} {unit}")
        elif str(self._state) != self._said:
            await self.remind()

    async def remind(self) -> None:
        """Tell the state again: clients may wait as long as they hear something."""
        self._said = str(self._state)
        self._done += (math.floor(self._done) + 1 - self._done) / 16
        await self._tell(self._done, self._total, self._said)
