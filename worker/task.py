"""A claimed job on its way through a lane, and what it tells of itself."""

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

from jobs.request import Claim
from jobs.status import EventType
from worker.outbox import Message

#: A job that nobody streams tells its text only this often, in seconds.
COALESCE = 0.25


@dataclass(slots=True, eq=False)
class Task:
    """One execution of one job. `deadline` is on the monotonic clock, set when it begins to run."""

    claim: Claim
    deadline: float = float("inf")
    _held: dict[int, str] = field(default_factory=dict)
    _told_at: float = field(default_factory=time.monotonic)
    _told: bool = False

    @property
    def id(self) -> str:
        return self.claim.execution_id

    @property
    def seed(self) -> int:
        """A seed for a job that names none: the same when it is run again."""
        return int.from_bytes(hashlib.sha256(self.claim.job_id.encode()).digest()[:8])

    def message(self, event: EventType, **data: Any) -> Message:
        return Message(self.claim.job_id, self.id, event, data)

    def tell(self, index: int, text: str, now: float) -> list[Message]:
        """New text of a choice: told at once when it is streamed, now and then when it is not."""
        if self.claim.stream:
            return [self.message(EventType.DELTA, index=index, text=text)]
        self._held[index] = self._held.get(index, "") + text
        if now - self._told_at < COALESCE:
            return []
        self._told_at, self._told = now, True
        return self._flush()

    def rest(self) -> list[Message]:
        """The end of a story that was begun: whoever heard deltas hears all of them."""
        return self._flush() if self._told else []

    def _flush(self) -> list[Message]:
        held, self._held = self._held, {}
        return [self.message(EventType.DELTA, index=index, text=text) for index, text in held.items()]
