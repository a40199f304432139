"""Checks whether a schema or grammar can be enforced, before a request is queued, by the library that enforces it.

What an answer's schema can't enforce is refused by its keyword: an answer that only looks as if it obeyed is worse
than an error. A tool whose parameters or grammar can't be enforced is held less strictly instead, and a `warning`
says so.
"""

import asyncio
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson
from msgspec import structs

from api.inputs.json_schema import Rewriting, TooLarge
from api.inputs.lark import NotKnown, within_json
from api.inputs.references import is_too_deep
from config.values import JsonObject
from jobs.errors import InvalidRequest
from jobs.payloads import ChatPayload, Grammar

# It is loaded where the first request asks for a grammar.
if TYPE_CHECKING:
    from llguidance import LLTokenizer

#: Bytes that all schemas of a request may have together: about as much as OpenAI's own limits come to.
LARGEST = 128 * 1024

#: How often a schema comes again: programs send the same few.
_REMEMBERED = 128
_LONGEST_REASON = 300
#: Characters of a reason in a warning.
_LONGEST_WORD = 80
#: As the worker's: what is too complex for it is refused here.
_STATES = 20_000

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


@dataclass(frozen=True, slots=True)
class Wanted:
    """A schema that a request asks for. `param`: where it stands. `tool`: whose parameters it describes.

    `lark`: in the place of a schema, the grammar of the one text that this tool takes.
    """

    param: str
    schema: dict[str, object]
    tool: str | None = None
    lark: str | None = None


@dataclass(frozen=True, slots=True)
class _Settled:
    """`schema`: what is enforced. `problem`: why it can't be. `noted`: keywords that are not enforced."""

    schema: bytes
    problem: str | None = None
    noted: tuple[str, ...] = ()


async def settle_schemas(wanted: list[Wanted], payload: ChatPayload) -> tuple[ChatPayload, list[str]]:
    """The payload with what will be enforced, and warnings. It works off the event loop.

    Raises InvalidRequest for the first schema that can't be enforced, unless it is a tool's.
    """
    if not wanted:
        return payload, []
    try:
        written = [orjson.dumps(each.lark or each.schema) for each in wanted]
    except TypeError:
        raise _invalid(
            "The schema can't be enforced: it has a number of more than 64 bits.", wanted[0].param
        ) from None
    if sum(map(len, written)) > LARGEST:
        raise _invalid("The schema is too large: 128 KB of JSON is the most.", wanted[0].param)
    settled = await asyncio.to_thread(_settle, wanted, written)
    loosened: list[str] = []
    described: list[str] = []
    tools: dict[str, JsonObject] = {}
    grammars: dict[str, str] = {}
    for each, result in zip(wanted, settled, strict=True):
        if each.lark is not None and each.tool is not None:
            if result.problem is None:
                grammars[each.tool] = result.schema.decode()
            else:
                described.append(f"{each.tool} ({result.problem})")
            continue
        schema = orjson.loads(result.schema)
        if each.tool is None:
            payload = structs.replace(payload, grammar=Grammar(schema))
            continue
        if schema != each.schema:
            tools[each.tool] = schema
        if result.noted:
            loosened.append(f"{each.tool} ({', '.join(result.noted)})")
    if tools or grammars:
        payload = structs.replace(payload, tool_schemas=tools or None, tool_grammars=grammars or None)
    told = [f"not all of the schema is enforced: {', '.join(loosened)}"] if loosened else []
    if described:
        told.append(f"grammars that are described and not enforced: {', '.join(described)}")
    return payload, told


def _settle(wanted: list[Wanted], written: list[bytes]) -> list[_Settled]:
    settled = []
    for each, schema in zip(wanted, written, strict=True):
        if each.lark is not None:
            settled.append(_settled_lark(each.lark))
            continue
        result = _settled(schema)
        if result.problem is not None:
            if each.tool is None:
                raise _invalid(result.problem, each.param)
            result = _loosened(schema)
        settled.append(result)
    return settled


def _invalid(message: str, param: str) -> InvalidRequest:
    return InvalidRequest(message, param=param, code="invalid_json_schema")


@lru_cache(maxsize=_REMEMBERED)
def _settled(schema: bytes) -> _Settled:
    """The schema in words that can be enforced, or why it can't be."""
    try:
        result = orjson.dumps(Rewriting(orjson.loads(schema)).result)
    except TooLarge as error:
        return _Settled(schema, f"The schema can't be enforced ({error}).")
    return _Settled(result, _problem(result))


@lru_cache(maxsize=_REMEMBERED)
def _loosened(schema: bytes) -> _Settled:
    """What can be enforced of a tool's parameters: without some keywords, or nothing but an object."""
    for simple in (False, True):
        rewriting = Rewriting(orjson.loads(schema), loose=True, simple=simple)
        result = orjson.dumps(rewriting.result)
        if _problem(result) is None:
            return _Settled(result, noted=tuple(sorted(rewriting.noted)))
    return _Settled(b'{"type":"object"}', noted=("all of it",))


@lru_cache(maxsize=_REMEMBERED)
def _settled_lark(definition: str) -> _Settled:
    """The grammar as JSON strings have its text, or why it can't be enforced."""
    try:
        text = within_json(definition)
    except NotKnown as error:
        return _Settled(b"", f"{error} is not known")
    problem = _fault(f'start: "\\"" text "\\""\ntext: %lark {{\n{text}\n}}\n')
    return _Settled(text.encode(), problem and _brief(problem))


def _brief(problem: str) -> str:
    return problem.removeprefix("The schema can't be enforced").strip(":. ")[:_LONGEST_WORD]


def _problem(schema: bytes) -> str | None:
    """Why this schema can't be enforced; None if it can."""
    if is_too_deep(orjson.loads(schema)):
        return "The schema can't be enforced: its references lead too deep."
    from llguidance import LLMatcher

    # The library's own extension could switch parts of the schema off.
    options = {"lenient": False, "coerce_one_of": False, "whitespace_flexible": False}
    return _fault(LLMatcher.grammar_from_json_schema(schema.decode(), overrides=options))  # type: ignore[arg-type]


def _fault(grammar: str) -> str | None:
    from llguidance import LLMatcher, LLParserLimits

    limits = LLParserLimits(max_lexer_states=_STATES, verbose_errors=False)
    matcher = LLMatcher(_bytes(), grammar, log_level=0, limits=limits)
    if matcher.is_error():
        return _explained(matcher.get_error())
    # What is forced is written first: behind it stands what may be too complex.
    matcher.try_consume_tokens(matcher.compute_ff_tokens())
    matcher.compute_bitmask()
    if matcher.is_error():
        if matcher.get_error().startswith("NoExtension"):
            return "The schema can't be enforced: no text satisfies it."
        return "The schema can't be enforced: it is too complex."
    return None


@lru_cache(maxsize=1)
def _bytes() -> "LLTokenizer":
    """A vocabulary of single bytes: whether a grammar is sound does not depend on the model's."""
    from llguidance import LLTokenizer

    return LLTokenizer("byte")


def _explained(error: str) -> str:
    if found := _UNKNOWN.search(error):
        names = found[1].replace('"', "'")
        return f"The schema can't be enforced: it has the unsupported keyword {names}."
    lines = error.strip().splitlines() or ["it is not understood"]
    reason = (lines[-1] if error.startswith("regex") else lines[0])[:_LONGEST_REASON].removeprefix("error: ")
    keyword = next((name for start, name in _KEYWORDS if start in error), None)
    return f"The schema can't be enforced{f' ({keyword})' if keyword else ''}: {reason.rstrip('.')}."
