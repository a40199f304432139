"""A claimed job on its way through a lane, and what it tells of itself."""

import hashlib
import time
from dataclasses import dataclass, field

from jobs import events
from jobs.consumer.outbox import Message
from jobs.events import Event
from jobs.gate import Ending
from jobs.job_log import log_execution
from jobs.request import Claim
from worker.engines.base import AudioChunk, Delta

#: A job that nobody streams tells its text only this often, in seconds.
COALESCE = 0.25


@dataclass(slots=True, eq=False)
class Task:
    """One execution of one job. `deadline` is on the monotonic clock, set when it begins to run."""

    claim: Claim
    deadline: float = float("inf")
    #: when its model began to work on it, on the monotonic clock
    began: float | None = None
    _held: list[Message] = field(default_factory=list)
    _told_at: float = field(default_factory=time.monotonic)
    _told: bool = False

    @property
    def id(self) -> str:
        return self.claim.execution_id

    @property
    def seed(self) -> int:
        """A seed for a job that names none: the same when it is run again."""
        return int.from_bytes(hashlib.sha256(self.claim.job_id.encode()).digest()[:8])

    def log_end(self, ending: Ending) -> None:
        """The end of its job, as it was written."""
        ran = None if self.began is None else time.monotonic() - self.began
        log_execution(self.claim, ran, result=ending.result, error=ending.error)

    def message(self, event: Event) -> Message:
        return Message(self.claim.job_id, self.id, event)

    def tell(self, delta: Delta | AudioChunk, now: float) -> list[Message]:
        """New output: sent at once when the job is streamed, now and then when it is not."""
        message = self.message(_event(delta))
        if self.claim.stream:
            return [message]
        self._held.append(message)
        if now - self._told_at < COALESCE:
            return []
        self._told_at, self._told = now, True
        return self._flush()

    def rest(self) -> list[Message]:
        """The end of a story that was begun: whoever heard deltas hears all of them."""
        return self._flush() if self._told else []

    def _flush(self) -> list[Message]:
        held, self._held = self._held, []
        return held


def _event(delta: Delta | AudioChunk) -> Event:
    if isinstance(delta, AudioChunk):
        return events.AudioChunk(delta.audio)
    return events.Delta(delta.index, delta.text, delta.field, delta.call, delta.logprobs or None)
