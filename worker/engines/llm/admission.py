"""Which prompts may be read now: those whose key-value caches have room in memory beside those of running requests.

Rows that decode together are padded to the longest: a long prompt costs its length for each of them. This module
knows tokens and bytes. It does not know what else is in memory: `Headroom` does. It belongs to its model's thread.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator

from worker.engines.base import Headroom
from worker.engines.llm.footprint import Footprint
from worker.engines.llm.request import TextRequest

#: Bytes that need no room of their own.
_LITTLE = 16 << 20
#: Seconds for which later requests may pass one that waits.
_PATIENCE = 20.0


class Admission:
    """Call `admit` for a request, and `released` at each step for those that had to wait."""

    def __init__(
        self, footprint: Footprint, *, batched: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`batched`: rows are decoded together, in arrays of their own."""
        self.headroom: Headroom | None = None
        self._footprint = footprint
        self._batched = batched
        self._clock = clock
        #: requests that wait, and since when
        self._waiting: deque[tuple[TextRequest, float]] = deque()

    def most_tokens(self) -> int | None:
        """The longest prompt that has room when nothing else runs. None: any. Any thread may ask."""
        if self.headroom is None:
            return None
        # It is read into a cache of its own, from which the batch copies it.
        return self._footprint.most_tokens(self.headroom.most() // (2 if self._batched else 1))

    def admit(self, request: TextRequest, running: Collection[TextRequest]) -> bool:
        """Whether it may start now, beside these. If not, `released` returns it later."""
        waits_long = self._waiting and self._clock() - self._waiting[0][1] > _PATIENCE
        if not waits_long and self._fits(request, running):
            return True
        self._waiting.append((request, self._clock()))
        return False

    def released(self, running: Collection[TextRequest]) -> Iterator[TextRequest]:
        """The requests that have room by now. Each must have started before the next one is asked for."""
        while self._waiting and self._fits(self._waiting[0][0], running):
            yield self._waiting.popleft()[0]

    @property
    def waiting(self) -> list[str]:
        """The requests that wait, by their ids."""
        return [request.id for request, _ in self._waiting]

    def waits(self, request: TextRequest) -> bool:
        return any(each is request for each, _ in self._waiting)

    def remove(self, task_id: str) -> None:
        self._waiting = deque(each for each in self._waiting if each[0].id != task_id)

    def _fits(self, request: TextRequest, running: Collection[TextRequest]) -> bool:
        if self.headroom is None:
            return True
        others = [each for each in running if each is not request and not self.waits(each)]
        needed = self._needed(request, others)
        # Without others it starts in any case: nothing would make more room for it.
        return needed <= _LITTLE or self.headroom.make(needed) or not others

    def _needed(self, request: TextRequest, others: Collection[TextRequest]) -> int:
        """Bytes that it takes at most until it decodes, and those that the others still need for their prompts."""
        size = self._footprint.bytes
        reading = sum(size(_longest(each)) for each in others if any(each.unread.values()))
        if not self._batched:
            return reading + sum(size(len(prompt.tokens)) for prompt in request.prompts)
        rows = len(request.rows) + sum(len(each.rows) for each in others)
        longest = max(map(_longest, (request, *others)))
        return reading + sum(size(len(prompt.tokens)) for prompt in request.prompts) + rows * size(longest)


def _longest(request: TextRequest) -> int:
    """Tokens of its longest row."""
    prompt = max(len(prompt.tokens) for prompt in request.prompts)
    return prompt + max((sequence.tokens for sequence in request.rows), default=0)
