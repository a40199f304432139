"""Tool calls of an answer, and the grammars that enforce calls.

`formats` reads the calls that models write by themselves. An enforced call is JSON, between the model's own markers
where these hold JSON.
"""

import hashlib
import json

import orjson

from config.values import JsonObject
from jobs.events import CallPart
from jobs.payloads import Tool
from jobs.results import ToolCall
from worker.engines.llm.formats.parts import ARGUMENTS, CALL, CLOSED
from worker.engines.llm.grammars.grammar import PLAIN_JSON, closed

#: Calls that one enforced answer may have.
MOST_CALLS = 8
#: The schema of a function without parameters: an object without members.
_NO_PARAMETERS = {"type": "object", "properties": {}, "additionalProperties": False}


class ToolCalls:
    """The calls of one answer. `made`: the calls so far, with id, name, and arguments as JSON text."""

    def __init__(self, seed: int, index: int, *, several: bool, distinct: bool = False) -> None:
        """`seed` and `index` make the ids: the same when the job is run again.

        `distinct`: a call that repeats an earlier one ends the answer.
        """
        self._opened: list[tuple[str, list[str]]] = []
        self._closed = 0
        self._seed = f"{seed}:{index}"
        self._several = several
        self._distinct = distinct
        #: parts of a call that repeats an earlier one so far
        self._waiting: list[tuple[str, str]] = []
        self._repeated = False

    @property
    def made(self) -> list[ToolCall]:
        return [
            ToolCall(self._id(number), name, "".join(arguments))
            for number, (name, arguments) in enumerate(self._opened)
        ]

    @property
    def full(self) -> bool:
        """Whether no further call is wanted."""
        return self._repeated or (not self._several and self._closed > 0)

    def told(self, kind: str, text: str) -> list[tuple[str, str]]:
        """Add a part of a call; returns the parts that are certain to count."""
        waiting = [*self._waiting, (kind, text)]
        if not self._distinct or (not self._waiting and kind != CALL):
            return [(kind, text)]
        name = waiting[0][1]
        begun = "".join(each for part, each in waiting if part == ARGUMENTS)
        others = ["".join(arguments) for other, arguments in self._opened if other == name]
        if kind == CLOSED:
            self._waiting = []
            self._repeated = begun in others
            return [] if self._repeated else waiting
        same = any(other.startswith(begun) for other in others)
        self._waiting = waiting if same else []
        return [] if same else waiting

    def open(self, name: str) -> CallPart:
        """A call begins. Returns the content of its first delta."""
        number = len(self._opened)
        self._opened.append((name, []))
        return CallPart(number, self._id(number), name)

    def add(self, arguments: str) -> CallPart:
        """Add a piece of arguments. Returns the content of its delta."""
        self._opened[-1][1].append(arguments)
        return CallPart(len(self._opened) - 1)

    def close(self) -> None:
        self._closed += 1

    def _id(self, number: int) -> str:
        return "call_" + hashlib.sha256(f"{self._seed}:{number}".encode()).hexdigest()[:24]


def holds_json(parser_module: str | None) -> bool:
    """Whether a model writes its calls as JSON objects of name and arguments between markers."""
    return parser_module == "json_tools"


def calls_grammar(tools: list[Tool], start: str, end: str, *, several: bool, opened: bool = False) -> str:
    """A Lark grammar of one call, or of one to MOST_CALLS: `start` { name, arguments } `end`, each on its line.

    `start` and `end` are Lark terms. `opened`: the start has been written already.
    """
    first = "" if opened else start
    return (
        "\n".join([f"start: {_calls(first, start, end, several)}", *_rules(tools, every=not opened)]) + "\n"
    )


def answer_or_calls_grammar(
    schema: JsonObject, tools: list[Tool], start: str, end: str, *, several: bool
) -> str:
    """A Lark grammar of one JSON value of this schema, or of calls."""
    answer = orjson.dumps({**closed(schema), "x-guidance": PLAIN_JSON}).decode()
    rules = [f"start: answer | {_calls(start, start, end, several)}", f"answer: %json {answer}"]
    return "\n".join([*rules, *_rules(tools, every=False)]) + "\n"


def _calls(first: str, start: str, end: str, several: bool) -> str:
    one = f'"\\n" call "\\n" {end}'
    # After a line break the answer may still end: the next text decides whether a further call follows.
    further = f' ("\\n" {start} {one}){{0,{MOST_CALLS - 1}}} "\\n"?' if several else ""
    return f"{first} {one}{further}"


def _rules(tools: list[Tool], *, every: bool) -> list[str]:
    """Rules of calls. Of calls that are not enforced, only `strict` ones must match their schemas."""
    rules = ["call: " + " | ".join(f"call_{number}" for number in range(len(tools)))]
    for number, tool in enumerate(tools):
        function = tool["function"]
        head = f'{{"name": {json.dumps(function["name"])}, "arguments": '
        if (grammar := function.get("grammar")) is not None:
            first, last = json.dumps(f'{head}{{"input": "'), json.dumps('"}}')
            rules += [
                f"call_{number}: {first} text_{number} {last}",
                f"text_{number}: %lark {{\n{grammar}\n}}",
            ]
            continue
        held = every or function.get("strict")
        parameters = (function.get("parameters") or _NO_PARAMETERS) if held else {"type": "object"}
        schema = {**closed(parameters), "x-guidance": PLAIN_JSON}
        rules.append(f"call_{number}: {json.dumps(head)} arguments_{number} {json.dumps('}')}")
        rules.append(f"arguments_{number}: %json {orjson.dumps(schema).decode()}")
    return rules


def term(marker: str, token_id: int | None) -> str:
    """A marker as a Lark term: by its id if it is a special token."""
    return json.dumps(marker) if token_id is None else f"<[{token_id}]>"
