"""A job on its way through a lane, and its events: what an engine's outputs mean for the job.

This module knows outputs and events. It does not know threads or Redis.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import UNSET
from msgspec.structs import replace

from jobs import events
from jobs.consumer.execution import Execution
from jobs.consumer.outbox import Message
from jobs.errors import JobTimeout, MlxqError
from jobs.events import Event
from jobs.gate import Ending
from jobs.kinds import KINDS
from jobs.request import Claim
from jobs.results import Result
from jobs.service_class import ServiceClass
from worker.engines.base import Alive, AudioChunk, Delta, Done, Failed, Output, Preview, Progress

#: Seconds between two events with the output of a job that is not streamed.
COALESCE = 0.25


@dataclass(slots=True, eq=False)
class Task:
    """One execution in a lane. Times are on the monotonic clock."""

    execution: Execution
    #: since when its client is away; None: somebody waits for it
    left_at: float | None = None
    #: whether the first of its answer has come
    writes: bool = False
    _began: float = float("inf")
    #: when it last made progress
    _advanced: float = float("inf")
    #: whether its answer has begun: before, it may wait for others inside the engine
    _answering: bool = False
    _held: list[Message] = field(default_factory=list)
    _sent_at: float = field(default_factory=time.monotonic)
    _sent: bool = False

    @property
    def id(self) -> str:
        return self.execution.id

    @property
    def claim(self) -> Claim:
        return self.execution.claim

    @property
    def seed(self) -> int:
        """A seed for a job that names none: the same when it is run again."""
        return int.from_bytes(hashlib.sha256(self.claim.job_id.encode()).digest()[:8])

    @property
    def is_background(self) -> bool:
        return self.claim.service_class is ServiceClass.BACKGROUND

    @property
    def is_urgent(self) -> bool:
        """Whether somebody waits for the first of its answer."""
        return not self._answering and self.claim.service_class is ServiceClass.INTERACTIVE

    def start(self, began: float) -> None:
        """The engine has it, and began with it then."""
        self.execution.began = self._began = self._advanced = began

    def limit_reached(self, now: float, others: float) -> JobTimeout | None:
        """Why it has to end now, if it has to. `others`: when the engine last made progress, for whatever task."""
        claim, waits = self.claim, not self._answering
        if claim.max_run_time and now - self._began > claim.max_run_time:
            return JobTimeout(f"The job ran longer than {claim.max_run_time:g} s (MAX_RUN_TIME).")
        if self.left_at is not None:
            return None
        if now - (max(self._advanced, others) if waits else self._advanced) <= claim.timeout:
            return None
        setting = KINDS[claim.kind].limit
        return JobTimeout(f"The job made no progress for {claim.timeout:g} s ({setting}).")

    def client_left(self) -> None:
        self.left_at = time.monotonic()

    def client_back(self) -> None:
        """The time without a client does not count as a stall: the engine may have let it stand still."""
        self.left_at = None
        if self._began <= time.monotonic():
            self._advanced = time.monotonic()

    def report(self, output: Output, now: float) -> Sequence[Message | Ending]:
        """The events of an output, and the ending with the last one."""
        self._advanced = now
        match output:
            case Delta() | AudioChunk():
                self._answering = True
                return self._tell(output, now)
            case Alive():
                self._answering = True
                return ()
            case Progress(done=done, total=total, unit=unit):
                self._answering = self._answering or unit != "prompt_tokens"
                counted = UNSET if unit == "steps" else unit
                return [self.message(events.Progress(done=done, total=total, unit=counted))]
            case Preview(artifact=artifact, blob=blob, content_type=content_type, data=data):
                event = events.Partial if output.partial else events.Preview
                place = data["index"], data["number" if output.partial else "step"]
                return [self.message(event(*place, artifact, blob, content_type))]
            case Done(result=result):
                # A client that got some of the output gets all of it.
                return [*(self._flush() if self._sent else ()), self.ending(result=self._timed(result, now))]
            case Failed(error=error):
                return [self.ending(error=error)]

    def message(self, event: Event) -> Message:
        return Message(self.claim.job_id, self.id, event)

    def ending(self, result: Result | None = None, error: MlxqError | None = None) -> Ending:
        """Finished, failed or, with neither, cancelled."""
        return Ending(self.claim.job_id, self.id, result=result, error=error)

    def _timed(self, result: Result, now: float) -> Result:
        loading, began = self.execution.loading, self._began
        load = 0.0 if loading is None else began - loading
        return replace(result, load_seconds=round(load, 6), run_seconds=round(now - began, 6))

    def _tell(self, delta: Delta | AudioChunk, now: float) -> list[Message]:
        """Send new output at once when the job is streamed, else from time to time."""
        message = self.message(_event(delta))
        if self.claim.stream:
            return [message]
        self._held.append(message)
        if now - self._sent_at < COALESCE:
            return []
        self._sent_at, self._sent = now, True
        return self._flush()

    def _flush(self) -> list[Message]:
        held, self._held = self._held, []
        return held


def _event(delta: Delta | AudioChunk) -> Event:
    if isinstance(delta, AudioChunk):
        return events.AudioChunk(delta.audio)
    return events.Delta(delta.index, delta.text, delta.field, delta.call, delta.logprobs or None)
