"""The grammars of a model: compiles JSON schemas with llguidance, within limits, and caches them."""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

from config.values import JsonObject
from jobs.errors import InvalidRequest
from worker.engines.llm.grammars.constraint import Constraint, Limits, Start, first_line
from worker.engines.llm.grammars.vocabulary import Vocabulary

# It is loaded where the first request asks for a grammar.
if TYPE_CHECKING:
    from llguidance import LLMatcher

#: States of a grammar, of about a kilobyte each; its other limits are the library's own.
_STATES = 20_000
#: Bytes of all compiled grammars in the cache.
MOST_BYTES = 64 << 20
_SMALLEST_BYTES, _BYTES_PER_LETTER, _BYTES_PER_STATE = 128 << 10, 150, 400
_MULTIPLES = re.compile(r'multipleOf\\?":(?:0\.0*)?([0-9]{1,9})')
#: Tokens that one token may add to the shortest end of an answer, by the letters of its grammar.
_NARROWEST, _WIDEST, _LETTERS = 32, 512, 4
#: JSON with one space after a comma or colon, as models write it, and none elsewhere, where a weak one gets lost.
PLAIN_JSON: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
#: Where a JSON schema holds further ones: by name, in a row, alone.
_MAPS, _LISTS = ("properties", "$defs", "definitions"), ("anyOf", "oneOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties")
_PARTS = frozenset({"anyOf", "oneOf", "if", "$ref", "dependentSchemas"})
#: Keywords beside `properties` that concern other members.
_OPEN = frozenset({"additionalProperties", "patternProperties", "$ref", "unevaluatedProperties"})


@dataclass(frozen=True, slots=True)
class Written:
    """A grammar as llguidance reads it. `repeat`: it holds each time when its start comes, else once.

    `param`: the request's parameter that asks for it.
    """

    text: str
    param: str
    repeat: bool = False


def json_grammar(schema: JsonObject) -> str:
    """The grammar of one JSON value of this schema."""
    from llguidance import LLMatcher

    return LLMatcher.grammar_from_json_schema(orjson.dumps(closed(schema)).decode(), overrides=PLAIN_JSON)


def closed(schema: Any) -> Any:
    """The schema without additional members, where it does not mention them.

    Every value of the result is a value of the schema, and the model cannot invent members. An object that is
    composed of parts stays open: each part has to accept the others' members.
    """
    return schema if _put_together(schema) else _closed(schema)


def _put_together(schema: Any) -> bool:
    if isinstance(schema, dict):
        parts = "allOf" in schema or ("properties" in schema and _PARTS.intersection(schema))
        return bool(parts) or any(map(_put_together, schema.values()))
    return isinstance(schema, list) and any(map(_put_together, schema))


def _closed(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    result = dict(schema)
    for key, value in schema.items():
        if key in _MAPS and isinstance(value, dict):
            result[key] = {name: _closed(each) for name, each in value.items()}
        elif key in _LISTS and isinstance(value, list):
            result[key] = [_closed(each) for each in value]
        elif key in _SCHEMAS:
            result[key] = _closed(value)
    listed = schema.get("properties")
    if (
        isinstance(listed, dict)
        and not _OPEN.intersection(schema)
        and listed.keys() >= set(schema.get("required") or ())
    ):
        result["additionalProperties"] = False
    return result


class Grammars:
    """The grammars of one model. They are compiled on threads of their own, while other rows decode."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._compiled: OrderedDict[str, LLMatcher] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="grammar")

    def prepare(self, written: Callable[[], Written | None]) -> "Future[None] | None":
        """Compile what `written` says, unless that is done already. The future raises InvalidRequest."""
        if self._vocabulary.is_read:
            wanted = written()
            if wanted is None or wanted.text in self._compiled:
                return None
        return self._threads.submit(self._prepare, written)

    def constraint(self, wanted: Written, start: Start, most: int) -> Constraint:
        """The processor of one sequence of at most `most` tokens. Raises InvalidRequest if it can't be enforced."""
        zone = min(max(_NARROWEST, len(wanted.text) // _LETTERS), _WIDEST)
        return Constraint(
            self._compile(wanted), self._limits, start, repeat=wanted.repeat, most=most, zone=zone
        )

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    @cached_property
    def _limits(self) -> Limits:
        return Limits(self._vocabulary)

    def _prepare(self, written: Callable[[], Written | None]) -> None:
        wanted = written()
        if wanted is not None:
            self._compile(wanted)
            _ = self._limits

    def _compile(self, wanted: Written) -> "LLMatcher":
        from llguidance import LLMatcher, LLParserLimits

        with self._lock:
            if (known := self._compiled.get(wanted.text)) is not None:
                self._compiled.move_to_end(wanted.text)
                return known
        limits = LLParserLimits(max_lexer_states=_STATES, verbose_errors=False)
        matcher = LLMatcher(self._vocabulary.grammars, wanted.text, log_level=0, limits=limits)
        if not matcher.is_error():
            matcher.compute_bitmask()
        if matcher.is_error():
            reason = first_line(matcher.get_error())
            raise InvalidRequest(f"This can't be enforced: {reason}", param=wanted.param)
        with self._lock:
            self._remember(wanted.text, matcher)
        return matcher

    def _remember(self, text: str, matcher: "LLMatcher") -> None:
        if text in self._compiled:
            return
        self._compiled[text] = matcher
        self._bytes += size_of(text)
        while self._bytes > MOST_BYTES and len(self._compiled) > 1:
            oldest, _ = self._compiled.popitem(last=False)
            self._bytes -= size_of(oldest)


def size_of(grammar: str) -> int:
    """Bytes that a compiled grammar takes, by its text: an upper bound that was measured."""
    multiples = sum(int(digits) for digits in _MULTIPLES.findall(grammar))
    return _SMALLEST_BYTES + _BYTES_PER_LETTER * len(grammar) + _BYTES_PER_STATE * multiples
