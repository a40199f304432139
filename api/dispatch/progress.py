"""The state of a job for keep-alives, from its events and its place in the queue."""

import math

from jobs.bus import Watch
from jobs.events import (
    AudioChunk,
    Delta,
    Downloaded,
    Downloading,
    Event,
    Loaded,
    Loading,
    Progress,
    Requeued,
    Started,
)


class JobProgress:
    """Of the job that is watched. As text it is what OpenAI's streams say in comments."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._state = "queued"

    def hear(self, event: Event) -> None:
        match event:
            case Delta() | AudioChunk() | Started() | Loaded():
                self._state = "generating"
            case Progress(unit="prompt_tokens", done=done, total=total):
                self._state = f"reading {done}/{total}" if done < total else "generating"
            case Loading():
                self._state = "loading model"
            case Downloading(done=done, total=total):
                self._state = f"downloading {100 * done // total if total else 100}%"
            case Requeued() | Downloaded():
                self._state = "queued"
            case _:
                pass

    @property
    def position(self) -> int | None:
        """Its place in the queue, 1 for the next; None when it does not wait, or it is not known."""
        return self._watch.position if self._state == "queued" else None

    @property
    def eta(self) -> float | None:
        """Seconds until the end of a job that waits; None when it does not, or they are not known."""
        return self._watch.eta if self._state == "queued" else None

    def __str__(self) -> str:
        position, eta = self.position, self.eta
        place = "" if position is None else f" position={position}"
        reason = self._watch.reason if self._state == "queued" else None
        end = "" if eta is None else f" eta={math.ceil(eta)}s"
        return f"{self._state}{place}{end}{'' if reason is None else f', {reason}'}"
