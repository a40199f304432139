"""How soon a model is asked again: programs that wait for an answer send their next request a moment later.

This module knows names of models and times. It does not know what waits.
"""

import statistics
from collections import deque

#: Longest pause that is worth waiting for, in seconds.
LONGEST = 0.5
#: Pause that is assumed while none is known.
_UNKNOWN = 0.05
#: What a request may take on its way besides.
_ON_ITS_WAY = 0.02
#: Pauses from which the usual one is known.
_KNOWN = 5


class Rhythm:
    """Times are seconds on one monotonic clock."""

    def __init__(self) -> None:
        self._ended: dict[str, float] = {}
        self._pauses: dict[str, deque[float]] = {}

    def ended(self, model: str, now: float) -> None:
        """A job for this model has ended."""
        self._ended[model] = now

    def came(self, model: str, at: float) -> None:
        """A job for this model was submitted then."""
        ended = self._ended.get(model)
        # A request that was sent before the answer came is no sign of a caller that waits.
        if ended is not None and at >= ended:
            self._pauses.setdefault(model, deque(maxlen=_KNOWN)).append(at - ended)

    def is_due(self, model: str, now: float, most: float = LONGEST) -> bool:
        """Whether the next job for this model is expected within twice the usual pause after the last one's end.

        False where the usual pause is longer than `most` seconds, or than `LONGEST`.
        """
        ended = self._ended.get(model)
        if ended is None:
            return False
        pauses = self._pauses.get(model)
        usual = statistics.median(pauses) if pauses else _UNKNOWN
        most = min(most, LONGEST)
        return usual <= most and now - ended < min(most, 2 * usual + _ON_ITS_WAY)
