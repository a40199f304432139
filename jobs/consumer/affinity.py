"""Which models' jobs a feeder takes first, so that models are not switched at every job.

This module knows names of models. It does not know slots or queues: `choose.lua` applies the preference.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from jobs.consumer.rhythm import LONGEST, Rhythm
from jobs.gate import ModelAffinity, Room
from jobs.kinds import KINDS, Kind
from jobs.redis.clock import CLOCK
from jobs.request import Claim

#: Seconds that a switch there and back costs at least.
_CHEAPEST = 0.2


@dataclass(frozen=True, slots=True)
class Prospect:
    """Whether a model may be loaded now, and the one of the same queue that would have to leave for it, if any.

    `needed`: its bytes.
    """

    room: Room
    instead_of: str = ""
    needed: int = 0


class Models(Protocol):
    """The models of a process that run the jobs of one queue. Any thread may ask."""

    @property
    def ready(self) -> Sequence[str]:
        """Those in memory, or on their way there."""

    @property
    def busy(self) -> Sequence[str]:
        """Those of them that have jobs."""

    @property
    def load_seconds(self) -> float | None:
        """Seconds that the last load took; None before the first."""

    @property
    def free(self) -> int:
        """Bytes of memory that models may still take."""

    def prospect(self, model: str) -> Prospect:
        """What a job for a model that is not ready may hope for."""


class Affinity:
    """Prefers the models in memory; lets a job for another one wait while theirs are expected in a moment."""

    def __init__(self, patience: float, models: Models, clock: Callable[[], float] = time.monotonic) -> None:
        """`patience`: seconds that a job for another model waits at most while jobs for ready models go first."""
        self._patience_ms = int(patience * 1000)
        self._models = models
        self._clock = clock
        self._rhythm = Rhythm()
        #: jobs that were taken and have not left, by their models
        self._in_hand: Counter[str] = Counter()
        self._ready: Sequence[str] = ()
        #: since when the last model is wanted that was not ready (Unix milliseconds)
        self._since_ms = 0

    def taken(self, claims: Sequence[Claim]) -> None:
        """These jobs have been taken."""
        now = self._clock()
        for claim in claims:
            self._in_hand[claim.model] += 1
            if KINDS[claim.kind].uses_model:
                self._rhythm.came(claim.model, now - (claim.waited or 0.0))
            if claim.kind is not Kind.UNLOAD and claim.model not in self._ready:
                self._since_ms = int(CLOCK.now() * 1000)

    def left(self, claim: Claim) -> None:
        """This job has ended."""
        self._in_hand[claim.model] -= 1
        if KINDS[claim.kind].uses_model:
            self._rhythm.ended(claim.model, self._clock())

    def current(self, asked: str | None = None) -> ModelAffinity:
        self._ready, busy = self._models.ready, self._models.busy
        found = None if asked is None else self._models.prospect(asked)
        return ModelAffinity(
            self._ready,
            busy,
            self._since_ms,
            self._patience_ms,
            asked or "",
            None if found is None else self._room(found),
            0 if found is None else found.needed,
            self._models.free,
        )

    def _room(self, found: Prospect) -> Room:
        if found.room is not Room.INSTEAD or not found.instead_of:
            return found.room
        if self._in_hand[found.instead_of] > 0:
            # Its engine is done, but not all of its answers have been sent.
            return Room.LATER
        # Waiting pays as long as it is shorter than what it may save: the way there and back, and cached prompts.
        load = self._models.load_seconds
        most = LONGEST if load is None else max(_CHEAPEST, 2 * load)
        return Room.SOON if self._rhythm.is_due(found.instead_of, self._clock(), most) else Room.INSTEAD
