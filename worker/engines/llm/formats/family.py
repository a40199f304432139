"""The format of one model: the rows of the table that apply to it, combined."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import regex

from worker.engines.llm.formats.calls import Calls
from worker.engines.llm.formats.channels import ENDS, THINKING
from worker.engines.llm.formats.table import ROWS

_NEVER = r"(?!)"


class Markers:
    """Searches markers in text that arrives in pieces."""

    def __init__(self, markers: Iterable[str]) -> None:
        longest_first = sorted(set(markers), key=len, reverse=True)
        first = "".join(sorted({regex.escape(each[0]) for each in longest_first}))
        self._any = regex.compile("|".join(map(regex.escape, longest_first)) or _NEVER)
        #: finds possible beginnings of a marker
        self.begin = regex.compile(f"[{first}]" if first else _NEVER).search
        self._markers = tuple(longest_first)
        self._longest = max(map(len, longest_first), default=1)

    def search(self, text: str, start: int) -> Any:
        """The first marker from a position on."""
        begun = self.begin(text, start)
        return None if begun is None else self._any.search(text, begun.start())

    def held(self, text: str, start: int) -> int:
        """The number of characters at the end that may begin a marker."""
        start = max(start, len(text) - self._longest + 1)
        while (found := self.begin(text, start)) is not None:
            end = text[found.start() :]
            if any(marker.startswith(end) for marker in self._markers):
                return len(end)
            start = found.start() + 1
        return 0


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """`thinking` and `calls` by their opening markers."""

    thinking: dict[str, str]
    calls: dict[str, Calls]
    frames: frozenset[str]
    channels: bool
    #: markers in content, with tools and without, and in reasoning
    with_tools: Markers
    without_tools: Markers

    @staticmethod
    def of(tokenizer: Any) -> "Family":
        """The family of a model, by its template, its vocabulary and the parser that its files name."""
        vocabulary = tokenizer.get_vocab()
        said = getattr(tokenizer, "init_kwargs", {})
        signs = [
            *_templates(getattr(tokenizer, "chat_template", None)),
            *(str(said.get(each) or "") for each in ("tool_parser_type", "chat_template_type")),
        ]
        return Family.made(lambda sign: sign in vocabulary or any(sign in each for each in signs))

    @staticmethod
    def made(has: Callable[[str], bool]) -> "Family":
        """The family of a model that has some of the signs."""
        rows = [row for row in ROWS if not row.signs or any(map(has, row.signs))]
        calls = {start: each for row in rows for each in row.calls for start in each.starts}
        frames = frozenset(frame for row in rows for frame in row.frames)
        channels = any(row.channels for row in rows)
        ends = [*frames, *(ENDS if channels else ())]
        return Family(
            thinking={start: end for row in rows for start, end in row.thinking},
            calls=calls,
            frames=frames,
            channels=channels,
            with_tools=Markers([*calls, *ends]),
            without_tools=Markers(ends),
        )

    def opened(self, prompt: str) -> bool:
        """Whether a prompt ends within reasoning."""
        starts = (*self.thinking, *(THINKING if self.channels else ()))
        return prompt.rstrip().endswith(starts)


@lru_cache(maxsize=64)
def markers(*markers: str) -> Markers:
    return Markers(markers)


def _templates(template: Any) -> list[str]:
    """The texts of a template, which may be several with names."""
    if isinstance(template, str):
        return [template]
    if isinstance(template, dict):
        return [text for each in template.values() for text in _templates(each)]
    if isinstance(template, list):
        return [text for each in template for text in _templates(each)]
    return []
