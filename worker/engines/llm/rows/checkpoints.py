"""Reads a prompt, keeps what can't be trimmed at its boundaries, and has what is read written to the disk.

`boundaries.py` knows where boundaries are, `saving.py` how often to write.

This module knows tokens and layers. It does not know text. It belongs to the thread of its model.
"""

from collections.abc import Sequence
from typing import Any

from worker.engines.llm.prompt_cache import SHORTEST, Checkpoints, arrays_of, state_of
from worker.engines.llm.rows.reading import Reading
from worker.engines.llm.rows.row import Row
from worker.engines.llm.rows.saving import Saving


def marked(row: Row, reading: Reading) -> Reading:
    """The reading of a row's prompt, with checkpoints at its boundaries if there are any, and on the disk."""
    boundaries = [place for place in row.boundaries if place >= SHORTEST]
    if not boundaries and row.saving is None:
        return reading
    return CheckpointedReading(reading, boundaries, row.checkpoints, row.saving)


class CheckpointedReading:
    """A reading whose pieces end at boundaries, where states are put into `checkpoints`.

    `saving` writes it to the disk.
    """

    def __init__(
        self, reading: Reading, boundaries: Sequence[int], checkpoints: Checkpoints, saving: Saving | None
    ) -> None:
        self._reading = reading
        self._boundaries = boundaries
        self._checkpoints = checkpoints
        self._saving = saving

    @property
    def tokens(self) -> list[int]:
        return self._reading.tokens

    @property
    def done(self) -> int:
        return self._reading.done

    @property
    def cache(self) -> list[Any]:
        return self._reading.cache

    def read(self, most: int) -> list[Any]:
        # The pieces before this one have been computed by now.
        if self._saving is not None and self.done:
            self._saving.note(self.done, self.cache, self._checkpoints)
        boundary = next((place for place in self._boundaries if place > self.done), None)
        arrays = self._reading.read(most if boundary is None else min(most, boundary - self.done))
        if self.done == boundary:
            state = state_of(self.cache)
            self._checkpoints[boundary] = state
            arrays = [*arrays, *arrays_of(state)]
        return arrays
