"""Can a JSON schema be enforced? Asked before a request is queued, by the library that will enforce it.

What it can't enforce is refused by its keyword: an answer that only looks as if it obeyed is worse than an error.
"""

import asyncio
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import orjson
from llguidance import LLMatcher, LLTokenizer

from jobs.errors import InvalidRequest

#: Bytes that all schemas of a request may have together: about as much as OpenAI's own limits come to.
LARGEST = 128 * 1024

#: How often a schema comes again: programs send the same few.
_REMEMBERED = 512
_LONGEST_REASON = 300

_UNKNOWN = re.compile(r'Unimplemented keys: \[(".*")\]')
#: Words of the library's messages that stand for a keyword which they do not name.
_KEYWORDS = (
    ("Unknown format", "format"),
    ("regex parse error", "pattern"),
    ("oneOf constraints", "oneOf"),
    ("min/maxProperties", "minProperties or maxProperties"),
    ("Invalid type", "type"),
    ("Resource '", "$ref"),
    ("Pointer '", "$ref"),
)


async def check_schemas(schemas: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Raises InvalidRequest for the first (param, schema) that can't be enforced. Off the event loop."""
    written = [(param, orjson.dumps(schema)) for param, schema in schemas]
    if not written:
        return
    if sum(len(schema) for _, schema in written) > LARGEST:
        raise _invalid("The schema is too large: 128 KB of JSON is the most.", written[0][0])
    await asyncio.to_thread(_check, written)


def _check(schemas: list[tuple[str, bytes]]) -> None:
    for param, schema in schemas:
        if problem := _problem(schema):
            raise _invalid(problem, param)


def _invalid(message: str, param: str) -> InvalidRequest:
    return InvalidRequest(message, param=param, code="invalid_json_schema")


@lru_cache(maxsize=_REMEMBERED)
def _problem(schema: bytes) -> str | None:
    """Why this schema can't be enforced; None if it can."""
    # The library's own extension could switch parts of the schema off.
    options = {"lenient": False, "coerce_one_of": False, "whitespace_flexible": False}
    grammar = LLMatcher.grammar_from_json_schema(schema.decode(), overrides=options)  # type: ignore[arg-type]
    matcher = LLMatcher(_bytes(), grammar, log_level=0)
    if matcher.is_error():
        return _explained(matcher.get_error())
    matcher.compute_bitmask()
    if matcher.is_error():
        return "The schema can't be enforced: no text satisfies it."
    return None


@lru_cache(maxsize=1)
def _bytes() -> LLTokenizer:
    """A vocabulary of single bytes: whether a grammar is sound does not depend on the model's."""
    return LLTokenizer("byte")


def _explained(error: str) -> str:
    if found := _UNKNOWN.search(error):
        names = found[1].replace('"', "'")
        return f"The schema can't be enforced: it has the unsupported keyword {names}."
    lines = error.strip().splitlines() or ["it is not understood"]
    reason = (lines[-1] if error.startswith("regex") else lines[0])[:_LONGEST_REASON].removeprefix("error: ")
    keyword = next((name for start, name in _KEYWORDS if start in error), None)
    return f"The schema can't be enforced{f' ({keyword})' if keyword else ''}: {reason.rstrip('.')}."
