"""How long prompts may be read beside rows that decode: a share of the time of their steps.

It knows seconds. It does not know tokens. It belongs to the thread of its model.
"""

import time

#: Seconds of reading as a share of those of the steps of the rows that decode. With 1, their mean pause doubles.
SHARE = 0.8
#: The shares of so many steps are spent in one piece: fewer, larger pieces are read faster.
STEPS = 3
#: After so many steps without reading, a step has its usual time: it is prepared while the one before is computed.
SETTLED = 2
#: Steps for which reading waits at most where the rows that decode read short prompts themselves.
HOLD_STEPS = 8
#: After a piece that took longer than expected, reading stands still for so many steps at most.
DEBT = 16
#: Weight of the last measurement in an average.
_NEWS = 0.4


class Allowance:
    """The seconds that rows which decode leave to reading. Steps without reading tell how long theirs take."""

    def __init__(self) -> None:
        #: seconds of a step without reading; 0 before one was measured
        self._pause = 0.0
        #: seconds left for reading; negative where it took more than its share
        self._credit = 0.0
        #: when the last step began, and the seconds of reading in it
        self._last = 0.0
        self._spent: float | None = None
        #: how many of the last steps read nothing, also no short prompts
        self._still = 0
        #: how many of the last steps had no reading
        self._held = 0

    def clear(self) -> None:
        """Nothing decodes, or other rows do."""
        self._pause = self._credit = 0.0
        self._still, self._spent = 0, None

    def claim(self, began: float, *, plain: bool, weight: float, least: float) -> float | None:
        """Seconds to read in the step that began at `began`; None: it reads nothing.

        A plain step has read no short prompts. `weight` multiplies the share. The smallest piece takes `least`.
        """
        step = began - self._last
        if self._still >= SETTLED:
            self._measured(step)
        elif self._spent is not None:
            # What is prepared for a piece while the step is computed takes no time of it.
            self._credit -= max(self._spent, step - self._pause)
        self._last, self._spent = began, None
        share = SHARE * weight * self._pause
        self._credit = max(self._credit, -DEBT * share) + share
        enough = max(STEPS * share, least)
        if self._waits(plain, enough - share / 2):
            self._held += 1
            self._still = self._still + 1 if plain else 0
            return None
        if not self._pause:
            self._measured(time.monotonic() - began)
        self._held = self._still = 0
        self._credit = min(self._credit, enough + share)
        return min(self._credit, enough)

    def spend(self, seconds: float) -> None:
        """So long was read in this step."""
        self._spent = seconds

    def _waits(self, plain: bool, enough: float) -> bool:
        if self._pause and self._credit < enough:
            return True
        # Rows that decode should not wait for both.
        return self._held < HOLD_STEPS and not (plain and self._pause)

    def _measured(self, seconds: float) -> None:
        self._pause += (_NEWS if self._pause else 1.0) * (seconds - self._pause)
