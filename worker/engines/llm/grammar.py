"""Grammars inside the batch: logits processors that let only such tokens through as a grammar allows (llguidance).

A grammar begins with the answer, or when the model has written certain tokens: the end of its reasoning, the
start of a tool call. Masks are made on the CPU and applied by MLX, so that it works on any device.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import numpy as np
import orjson
from llguidance import LLMatcher

from jobs.errors import EngineFailure, InvalidRequest
from worker.engines.llm.vocabulary import Vocabulary

#: Compiled grammars that are remembered.
_REMEMBERED = 64
#: JSON with one space after a comma or colon, as models write it, and none elsewhere, where a weak one gets lost.
PLAIN_JSON: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
#: Where a JSON schema holds further ones: by name, in a row, alone.
_MAPS, _LISTS = ("properties", "$defs", "definitions"), ("anyOf", "oneOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties")
_PARTS = frozenset({"anyOf", "oneOf", "if", "$ref", "dependentSchemas"})
#: Keywords beside `properties` that speak of other members.
_OPEN = frozenset({"additionalProperties", "patternProperties", "$ref", "unevaluatedProperties"})


def json_grammar(schema: dict[str, Any]) -> str:
    """The grammar of one JSON value of this schema."""
    return LLMatcher.grammar_from_json_schema(orjson.dumps(closed(schema)).decode(), overrides=PLAIN_JSON)


def closed(schema: Any) -> Any:
    """The schema with no members but those that it lists, where it says nothing of others.

    What then holds to it holds to the schema itself, and a model does not go on inventing members. Where an object
    is put together from parts, each part has to let the others' members pass: such a schema stays as it is.
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
    """The grammars of one model."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._compiled: OrderedDict[str, LLMatcher] = OrderedDict()

    def constraint(
        self,
        grammar: str,
        trigger: Sequence[int] = (),
        *,
        repeat: bool = False,
        param: str = "response_format",
    ) -> "Constraint":
        """The processor of one sequence: see Constraint. Raises InvalidRequest for a grammar that is none."""
        return Constraint(self._compile(grammar, param), self._vocabulary.size, trigger, repeat=repeat)

    def _compile(self, grammar: str, param: str) -> LLMatcher:
        known = self._compiled.get(grammar)
        if known is None:
            known = LLMatcher(self._vocabulary.grammars, grammar, log_level=0)
            if known.is_error():
                raise InvalidRequest(f"This can't be enforced: {_first_line(known.get_error())}", param=param)
            self._compiled[grammar] = known
            if len(self._compiled) > _REMEMBERED:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(grammar)
        return known


class Constraint:
    """One sequence's grammar, as mlx-lm's logits processor: tokens so far, logits [1, vocabulary] → logits.

    It begins at once, or after the tokens of `trigger`. When the grammar has ended, only an end token may follow;
    with `repeat` anything may, until the trigger comes again.
    """

    def __init__(
        self, grammar: LLMatcher, vocabulary: int, trigger: Sequence[int] = (), *, repeat: bool = False
    ) -> None:
        self._grammar = grammar
        self._width = vocabulary
        self._trigger = tuple(trigger)
        self._recent: deque[int] = deque(maxlen=max(1, len(self._trigger)))
        self._repeat = repeat
        self._matcher: LLMatcher | None = None if self._trigger else grammar.deep_copy()
        self._begun = False

    def __call__(self, tokens: mx.array, logits: mx.array) -> mx.array:
        if self._begun:
            last: Any = tokens[-1].item()
            self._take(last)
        self._begun = True
        if self._matcher is None:
            return logits
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        allowed = np.unpackbits(bits, bitorder="little")[: logits.shape[-1]].view(bool)
        if len(allowed) < logits.shape[-1]:
            allowed = np.pad(allowed, (0, logits.shape[-1] - len(allowed)))
        return mx.where(mx.array(allowed), logits, -mx.inf)

    def _take(self, token: int) -> None:
        matcher = self._matcher
        if matcher is None:
            self._recent.append(token)
            if tuple(self._recent) == self._trigger:
                self._matcher = self._grammar.deep_copy()
                self._recent.clear()
            return
        if not matcher.is_stopped() and not matcher.consume_token(token):
            raise EngineFailure(f"The grammar broke off: {_first_line(matcher.get_error())}")
        if self._repeat and matcher.is_stopped():
            self._matcher = None


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:300]
