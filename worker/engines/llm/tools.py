"""Tool calls: from what a model writes to calls, and the grammar that makes it write some.

How a model writes a call is its own affair; mlx-lm knows 14 ways. A call that is enforced is JSON, between the
model's own markers where these hold JSON.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from worker.engines.llm.grammar import PLAIN_JSON, closed

Tool = dict[str, Any]
Call = dict[str, str]

#: Calls that one enforced answer may have.
MOST_CALLS = 8
#: A function without parameters takes an object without members.
_NO_PARAMETERS = {"type": "object", "properties": {}, "additionalProperties": False}


class ToolCalls:
    """The calls of one answer. `made` are those so far: id, name, and arguments as JSON text."""

    def __init__(
        self, tools: list[Tool], parser: Callable[..., Any] | None, seed: int, index: int, *, several: bool
    ) -> None:
        """`seed` and `index` make the ids: the same when the job is run again."""
        self.made: list[Call] = []
        self._tools = tools
        self._names = {tool["function"]["name"] for tool in tools}
        self._parser = parser
        self._seed = f"{seed}:{index}"
        self._most = None if several else 1

    @property
    def full(self) -> bool:
        return self._most is not None and len(self.made) >= self._most

    def read(self, text: str) -> list[tuple[int, Call]] | None:
        """The calls in what the model wrote, with their numbers; None when there is none."""
        found = [call for call in map(self._call, self._parse(text)) if call is not None]
        if not found:
            return None
        numbered = []
        for name, arguments in found:
            if self.full:
                break
            number = len(self.made)
            self.made.append({"id": self._id(number), "name": name, "arguments": arguments})
            numbered.append((number, self.made[-1]))
        return numbered

    def _parse(self, text: str) -> list[Any]:
        try:
            return list(_json_values(text))
        except ValueError:
            pass
        if self._parser is None:
            return []
        try:
            parsed = self._parser(text, self._tools)
        except Exception:  # the library's parsers raise whatever a broken call leads them to
            return []
        return parsed if isinstance(parsed, list) else [parsed]

    def _call(self, parsed: Any) -> tuple[str, str] | None:
        if not isinstance(parsed, dict) or parsed.get("name") not in self._names:
            return None
        arguments = parsed.get("arguments", parsed.get("parameters", {}))
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments or "{}")
            except ValueError:
                return None
        if not isinstance(arguments, dict):
            return None
        return parsed["name"], json.dumps(arguments, ensure_ascii=False)

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
    schema: dict[str, Any], tools: list[Tool], start: str, end: str, *, several: bool
) -> str:
    """A Lark grammar of one JSON value of this schema, or of calls."""
    answer = orjson.dumps({**closed(schema), "x-guidance": PLAIN_JSON}).decode()
    rules = [f"start: answer | {_calls(start, start, end, several)}", f"answer: %json {answer}"]
    return "\n".join([*rules, *_rules(tools, every=False)]) + "\n"


def _calls(first: str, start: str, end: str, several: bool) -> str:
    one = f'"\\n" call "\\n" {end}'
    further = f' ("\\n" {start} {one}){{0,{MOST_CALLS - 1}}}' if several else ""
    return f"{first} {one}{further}"


def _rules(tools: list[Tool], *, every: bool) -> list[str]:
    """What calls look like. Of calls that a model makes by itself only `strict` ones are held to their schemas."""
    rules = ["call: " + " | ".join(f"call_{number}" for number in range(len(tools)))]
    for number, tool in enumerate(tools):
        function = tool["function"]
        head = f'{{"name": {json.dumps(function["name"])}, "arguments": '
        held = every or function.get("strict")
        parameters = (function.get("parameters") or _NO_PARAMETERS) if held else {"type": "object"}
        schema = {**closed(parameters), "x-guidance": PLAIN_JSON}
        rules.append(f"call_{number}: {json.dumps(head)} arguments_{number} {json.dumps('}')}")
        rules.append(f"arguments_{number}: %json {orjson.dumps(schema).decode()}")
    return rules


def term(marker: str, token_id: int | None) -> str:
    """A marker as a Lark term: by its id where it is a special token, which no text can spell."""
    return json.dumps(marker) if token_id is None else f"<[{token_id}]>"


def _json_values(text: str) -> Iterator[Any]:
    """JSON values that follow each other. Raises ValueError for anything else."""
    decoder = json.JSONDecoder()
    text = text.strip()
    if not text:
        raise ValueError("there is nothing")
    while text:
        value, end = decoder.raw_decode(text)
        if not isinstance(value, dict | list):
            raise ValueError("no object")
        yield from value if isinstance(value, list) else [value]
        text = text[end:].lstrip(" \t\r\n,")
