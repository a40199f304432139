"""The executions of one queue whose clients have left: which they are, and which of them were told to end.

This module knows executions in their order. It does not know Redis or threads.
"""

import time
from collections.abc import Collection


class Lingering:
    """Not thread-safe: its queue holds a lock."""

    def __init__(self) -> None:
        #: those that linger, the first one first; whether they were told to end
        self._ending: dict[str, bool] = {}
        #: when a command told about each execution, on the monotonic clock
        self._told_at: dict[str, float] = {}

    def __contains__(self, execution_id: str) -> bool:
        return execution_id in self._ending

    def told(self, execution_id: str, *, lingers: bool) -> bool:
        """Its client has left, or is back. Returns whether that is new."""
        self._told_at[execution_id] = time.monotonic()
        if lingers == (execution_id in self._ending):
            return False
        if lingers:
            self._ending[execution_id] = False
        else:
            del self._ending[execution_id]
        return True

    def told_since(self, execution_id: str, moment: float) -> bool:
        """Whether a later word about it is known than that of this moment."""
        return self._told_at.get(execution_id, 0.0) >= moment

    def forget(self, execution_id: str) -> bool:
        """It has ended. Returns whether it lingered."""
        self._told_at.pop(execution_id, None)
        return self._ending.pop(execution_id, None) is not None

    def to_end(self, among: Collection[str]) -> list[str]:
        """Those of these executions that may still be told to end, the first one first."""
        return [each for each, ends in self._ending.items() if not ends and each in among]

    def ends(self, execution_id: str) -> None:
        """It was told to end."""
        if execution_id in self._ending:
            self._ending[execution_id] = True
