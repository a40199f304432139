"""In which share of the time each category has had jobs, lately: what may come is expected by it (jobs/eta).

It knows seconds. What a job is, it does not know.
"""

import math
import time
from collections.abc import Callable, Mapping

#: Seconds after which two thirds of what was before are forgotten.
_LATELY = 60.0
#: Seconds between two looks at least.
_BETWEEN = 1.0


class Duty:
    """`worked`: of each category, the seconds in which it has had jobs, since ever. One thread at a time may ask."""

    def __init__(self, worked: Mapping[str, Callable[[], float]]) -> None:
        self._worked = worked
        self._shares = dict.fromkeys(worked, 0.0)
        self._before = {name: read() for name, read in worked.items()}
        self._began_at = self._looked_at = time.monotonic()

    def shares(self) -> dict[str, float]:
        """From 0 to 1, of each category."""
        now = time.monotonic()
        passed = now - self._looked_at
        if passed < _BETWEEN:
            return dict(self._shares)
        self._looked_at = now
        # At first it is the average of all.
        news = max(1 - math.exp(-passed / _LATELY), passed / (now - self._began_at))
        for name, read in self._worked.items():
            worked = read()
            share = min(1.0, max(0.0, worked - self._before[name]) / passed)
            self._before[name] = worked
            self._shares[name] += news * (share - self._shares[name])
        return dict(self._shares)
