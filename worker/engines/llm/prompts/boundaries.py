"""Where a chat's prompt can be cut so that prompts of later requests begin with the same tokens.

Two such places: after the system prompt and the tools, which other conversations share, and before what the template
adds for the answer. It may add the beginning of a block of reasoning, which is not there when the answer has become
history. Both are found by rendering the chat differently. This module knows texts and tokens. It does not know
templates.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

from jobs.payloads import Message

#: System prompts whose tokens are known.
_OPENINGS = 16


class Boundaries:
    """Those of one model's chats. Any thread may use it."""

    def __init__(self, encode: Callable[[str], list[int]]) -> None:
        """`encode` adds no special tokens."""
        self._encode = encode
        self._known = lru_cache(_OPENINGS)(lambda text: tuple(encode(text)))

    def find(self, tokens: list[int], text: str, opening: str | None, closed: str | None) -> tuple[int, ...]:
        """Numbers of tokens, in order. `tokens` are those of `text`; all but the last can always be cached.

        `opening`: the chat with another first message of the user, and nothing after it. `closed`: without what the
        template adds for the answer. None: it can't be rendered so.
        """
        found = {len(tokens) - 1 if closed is None else self._end(tokens, text, _common(text, closed))}
        if opening is not None:
            found.add(self._beginning(tokens, self._known(text[: _common(text, opening)])))
        return tuple(sorted(place for place in found if 0 < place < len(tokens)))

    def _end(self, tokens: list[int], text: str, length: int) -> int:
        """The number of tokens of the first `length` characters."""
        if length == len(text):
            return len(tokens) - 1
        tail = self._encode(text[length:])
        if tail and tokens[-len(tail) :] == tail:
            return len(tokens) - len(tail)
        # A token spans the place.
        return self._beginning(tokens, self._encode(text[:length]))

    @staticmethod
    def _beginning(tokens: list[int], part: Sequence[int]) -> int:
        """How many tokens both have in common; a token that only the whole text begins with is left out."""
        skipped = int(bool(part) and len(tokens) > 1 and tokens[0] != part[0] and tokens[1] == part[0])
        pairs = zip(tokens[skipped:], part, strict=False)
        return skipped + next((n for n, (one, other) in enumerate(pairs) if one != other), len(part))


def opening_of(messages: list[Message]) -> list[Message] | None:
    """The messages before the first of the user, and another one in its place. None: there is none of the user."""
    for number, message in enumerate(messages):
        if message["role"] == "user":
            other = "b" if _text(message.get("content")).lstrip().startswith("a") else "a"
            return [*messages[:number], {"role": "user", "content": other}]
    return None


def _text(content: object) -> str:
    """The first text of a message."""
    if isinstance(content, list):
        return next((str(part["text"]) for part in content if part.get("type") == "text"), "")
    return content if isinstance(content, str) else ""


def _common(one: str, other: str) -> int:
    """The number of equal leading characters."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
