"""The outbox: writes events and ends of executions to Redis, on a thread of its own.

Who produces them never waits for Redis. While Redis is away the outbox keeps everything, and writes it when Redis is
back: nothing that was computed is lost, and nothing is written twice.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from redis.exceptions import RedisError

from jobs.errors import EngineFailure
from jobs.events import AudioChunk, Delta, Event, encode_event
from jobs.gate import Emission, Ending, Gate
from jobs.redis.permissions import is_denied, is_refused

log = logging.getLogger(__name__)

#: Seconds between two attempts while the Redis user lacks a right.
_DENIED = 5.0
#: Characters of a call's arguments up to which deltas are merged: clients show them as they are made.
_ARGUMENTS = 32
#: Stands for a job's audio among the numbers of its choices.
_AUDIO = -1


@dataclass(frozen=True, slots=True)
class Message:
    """One event of one execution. Consecutive deltas of the same choice may be merged."""

    job_id: str
    execution_id: str
    event: Event


class Outbox:
    """One writer thread. `on_lost` is called for executions that belong to another process now.

    `on_ended` is called for each ending, with whether it was not written because its execution is lost.
    """

    def __init__(
        self, gate: Gate, on_lost: Callable[[str], None], on_ended: Callable[[Ending, bool], None]
    ) -> None:
        self._gate = gate
        self._on_lost = on_lost
        self._on_ended = on_ended
        self._queue: queue.SimpleQueue[list[Message | Ending] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"{gate.queue}-outbox", daemon=True)
        self._give_up_at = float("inf")
        #: of each execution the number of its last event
        self._numbers: dict[str, int] = {}

    def start(self) -> None:
        self._thread.start()

    def put(self, batch: list[Message | Ending]) -> None:
        """Have these written, in this order."""
        self._queue.put(batch)

    def stop(self, patience: float) -> None:
        """Write the rest, for at most `patience` seconds while Redis is away, and end the thread."""
        self._give_up_at = time.monotonic() + patience
        self._queue.put(None)
        self._thread.join(patience + 1)

    def _run(self) -> None:
        stopping = False
        while not stopping:
            pending: list[Message | Ending] = []
            batch = self._queue.get()
            while True:
                if batch is None:
                    stopping = True
                else:
                    pending += batch
                if self._queue.empty():
                    break
                batch = self._queue.get()
            if not pending:
                continue
            try:
                self._write(pending)
            except Exception:  # an event that cannot be written must not prevent the others
                log.exception("results could not be written: their jobs fail")
                try:
                    self._write(_failures(pending))
                except Exception:  # their leases end
                    log.exception("nor could the failures of their jobs be written")

    def _write(self, pending: list[Message | Ending]) -> None:
        messages = _merge([item for item in pending if isinstance(item, Message)])
        endings = [item for item in pending if isinstance(item, Ending)]
        emissions = [
            Emission(m.job_id, m.execution_id, self._next_number(m.execution_id), encode_event(m.event))
            for m in messages
        ]
        pause = 0.05
        while True:
            try:
                lost = self._gate.write(emissions, endings)
            except (RedisError, OSError) as error:
                if is_refused(error):
                    # What comes behind it must not wait for it.
                    raise
                if time.monotonic() > self._give_up_at:
                    log.error("gave up writing to Redis: the jobs in hand will be run again")
                    return
                if pause == 0.05:
                    why = "lets this user not write" if is_denied(error) else "is away"
                    log.warning(
                        "Redis %s (%s): results are kept until it takes them", why, type(error).__name__
                    )
                if is_denied(error):
                    # The rights of the user have to be changed first.
                    pause = _DENIED
                time.sleep(pause)
                pause = min(pause * 2, max(0.5, pause))
                continue
            for execution_id in (*lost, *(ending.execution_id for ending in endings)):
                self._numbers.pop(execution_id, None)
            for execution_id in lost:
                self._on_lost(execution_id)
            for ending in endings:
                self._on_ended(ending, ending.execution_id in lost)
            return

    def _next_number(self, execution_id: str) -> int:
        number = self._numbers[execution_id] = self._numbers.get(execution_id, 0) + 1
        return number


def _failures(pending: list[Message | Ending]) -> list[Message | Ending]:
    """The same executions, each ended with an error."""
    error = EngineFailure("The model's result could not be written.")
    owners = {item.execution_id: item.job_id for item in pending}
    return [Ending(job_id, execution_id, error=error) for execution_id, job_id in owners.items()]


def _merge(messages: list[Message]) -> list[Message]:
    """Merges each delta with the one before it that it continues."""
    merged: list[Message] = []
    last: dict[tuple[str, int], int] = {}
    for message in messages:
        event = message.event
        if not isinstance(event, Delta | AudioChunk):
            last = {key: place for key, place in last.items() if key[0] != message.execution_id}
            merged.append(message)
            continue
        key = (message.execution_id, event.index if isinstance(event, Delta) else _AUDIO)
        place = last.get(key)
        joined = None if place is None else _joined(merged[place].event, event)
        if place is not None and joined is not None:
            merged[place] = Message(message.job_id, message.execution_id, joined)
            continue
        last[key] = len(merged)
        merged.append(message)
    return merged


def _joined(before: Event, event: Delta | AudioChunk) -> Delta | AudioChunk | None:
    """Both as one event, if the second continues the first: content, reasoning, arguments of a call, or audio."""
    if isinstance(event, AudioChunk):
        return AudioChunk(before.audio + event.audio) if isinstance(before, AudioChunk) else None
    if not isinstance(before, Delta) or before.field != event.field:
        return None
    of, call = before.call, event.call
    if of is None or call is None:
        goes_on = call is None
    else:
        goes_on = call.id is None and call.index == of.index and len(before.text) < _ARGUMENTS
    if not goes_on:
        return None
    logprobs = [*(before.logprobs or ()), *(event.logprobs or ())] or None
    return Delta(before.index, before.text + event.text, before.field, of, logprobs)
