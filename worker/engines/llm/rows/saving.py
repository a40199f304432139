"""Writes to the disk what has been read of a long prompt: after a crash the rest is read, not all of it.

This module knows tokens and layers. It does not know text. It belongs to the thread of its model.
"""

from typing import Any

from worker.engines.llm.prompt_cache import CachedPrompt, Checkpoints
from worker.engines.llm.prompt_cache.disk import DiskCache
from worker.engines.llm.prompt_cache.disk_pieces import Key

#: Tokens of a prompt that are written at once while it is read: this much is read again after a crash.
SAVED_AT_ONCE = 512


class Saving:
    """How much of one prompt has been given to the disk."""

    def __init__(self, disk: DiskCache, tokens: list[int], cached: int) -> None:
        """`cached` of the tokens are read already."""
        self._disk = disk
        self._tokens = tokens
        self._saved = disk.stored_length(tokens[:cached])
        self._state: Key | None = None

    def note(self, done: int, layers: list[Any], checkpoints: Checkpoints) -> None:
        """The layers hold the first `done` tokens, and are computed. Write them if there is enough new."""
        if done - self._saved >= SAVED_AT_ONCE:
            prompt = CachedPrompt(self._tokens[:done], layers, checkpoints)
            self._saved, self._state = self._disk.put_part(prompt, self._saved, self._state)
