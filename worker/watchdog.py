"""Tells whether an engine thread hangs in native code. It knows times only."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Watchdog:
    """The engine thread enters `step` and `load`; other threads ask whether one takes too long."""

    def __init__(self, load_timeout: float) -> None:
        self.load_timeout = load_timeout
        self.loading = False
        self._since: float | None = None

    @contextmanager
    def step(self) -> Iterator[None]:
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    @contextmanager
    def load(self) -> Iterator[None]:
        self.loading = True
        try:
            with self.step():
                yield
        finally:
            self.loading = False

    def died(self) -> None:
        """The thread has ended by an error: from now on it counts as hanging."""
        self._since = float("-inf")

    def hangs(self, step_timeout: float) -> bool:
        """Whether one step, or one load, takes longer than it may."""
        since = self._since
        limit = self.load_timeout if self.loading else step_timeout
        return since is not None and time.monotonic() - since > limit
