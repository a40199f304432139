"""Which model's jobs a feeder takes first, so that models are not switched at every job.

This module knows names of models. It does not know slots or queues: `choose.lua` applies the preference.
"""

import time
from collections.abc import Callable, Sequence

from jobs.gate import ModelAffinity
from jobs.request import Claim


class Affinity:
    """Prefers the model of the running jobs; without running jobs the model that is loaded."""

    def __init__(self, patience: float, loaded: Callable[[], str | None], busy: Callable[[], bool]) -> None:
        """`patience`: seconds that a job for another model waits while jobs for the preferred one go first.

        `loaded`: the model in memory, if any. `busy`: whether jobs run.
        """
        self._patience_ms = int(patience * 1000)
        self._loaded = loaded
        self._busy = busy
        #: the model of the jobs taken last, and since when they are for that one (Unix milliseconds)
        self._model, self._since_ms = "", 0

    def taken(self, claims: Sequence[Claim]) -> None:
        """These jobs have been taken."""
        if claims and claims[-1].model != self._model:
            self._model, self._since_ms = claims[-1].model, int(time.time() * 1000)

    def current(self) -> ModelAffinity:
        works = self._busy()
        model = self._model if works else self._loaded() or ""
        return ModelAffinity(model, self._since_ms, self._patience_ms, works)
