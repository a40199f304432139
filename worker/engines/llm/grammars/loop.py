"""Detects a model that repeats the same few tokens without end."""

from collections import deque

#: Tokens of a repetition: far more than a line of dashes or a row of a table.
_LENGTH = 384
#: Tokens of the longest repeated part.
_LONGEST_PART = 48
#: Tokens between two checks.
_EVERY = 16


class Loop:
    """Feed it tokens; `seen`: the last ones are only repetitions."""

    __slots__ = ("_count", "_period", "_tokens")

    def __init__(self) -> None:
        self._tokens: deque[int] = deque(maxlen=_LENGTH)
        self._count = 0
        self._period = 0

    @property
    def seen(self) -> bool:
        return self._period > 0

    def add(self, token: int) -> None:
        if self._period and token != self._tokens[-self._period]:
            self._period = 0
            self._tokens.clear()
        self._tokens.append(token)
        self._count += 1
        if not self._period and self._count % _EVERY == 0 and len(self._tokens) == _LENGTH:
            self._period = self._repeated()

    def _repeated(self) -> int:
        """The length of the part that the last tokens repeat; 0: none."""
        tokens = list(self._tokens)
        last = tokens[-1]
        for period in range(1, _LONGEST_PART + 1):
            if tokens[-1 - period] == last and tokens[period:] == tokens[:-period]:
                return period
        return 0
