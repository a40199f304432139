"""What a model writes, read by the splitter in pieces, and put together as a client does."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from worker.engines.llm.answers.splitter import Splitter
from worker.engines.llm.formats.family import Family
from worker.engines.llm.formats.parts import ARGUMENTS, CALL, CLOSED, CONTENT, REASONING
from worker.engines.llm.formats.typed import Tools

Call = tuple[str, str]


@dataclass
class Read:
    """`calls`: names and JSON text. `deltas`: how many pieces of arguments each call came in."""

    content: str = ""
    reasoning: str = ""
    calls: list[Call] = field(default_factory=list)
    closed: int = 0

    @property
    def parts(self) -> tuple[str, str, list[Call]]:
        return self.content, self.reasoning, self.calls


def family(*signs: str) -> Family:
    """The family of a model whose template and vocabulary hold these signs only."""
    return Family.made(lambda sign: sign in signs)


def tool(name: str, properties: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties or {}, **more}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def read(
    of: Family,
    pieces: Iterable[str],
    tools: list[dict[str, Any]] | None = None,
    start: str = CONTENT,
    *,
    cut: bool = False,
    **options: Any,
) -> Read:
    splitter = Splitter(of, start, Tools(tools) if tools else None, **options)
    parts = [part for piece in pieces for part in splitter.feed(piece)] + splitter.finish(cut=cut)
    written, result = "".join(pieces), Read()
    for kind, text, place in parts:
        if kind in (CONTENT, REASONING) and place >= 0:
            assert written[place : place + len(text)] == text, "a part lies where it says"
        match kind:
            case "content":
                result.content += text
            case "reasoning":
                result.reasoning += text
            case "call":
                result.calls.append((text, ""))
            case "arguments":
                name, arguments = result.calls[-1]
                result.calls[-1] = (name, arguments + text)
            case "closed":
                result.closed += 1
    return result


def splits(text: str, *, seed: int = 1, some: int = 25) -> list[list[str]]:
    """The text in pieces: whole, character by character, cut once at each of `some` places, and at random."""
    places = list(range(1, len(text)))
    draw = random.Random(seed)
    if len(places) > some:
        places = sorted(draw.sample(places, some))
    ways = [[text], list(text), *([text[:place], text[place:]] for place in places)]
    for _ in range(10):
        rest, pieces = text, []
        while rest:
            size = draw.randint(1, 9)
            pieces.append(rest[:size])
            rest = rest[size:]
        ways.append(pieces)
    return ways


__all__ = ["ARGUMENTS", "CALL", "CLOSED", "Read", "family", "read", "splits", "tool"]
