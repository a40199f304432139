"""Rewrites JSON schemas of various libraries with keywords that can be enforced.

Keywords that restrict nothing are left out, and what can be said in other words is.
"""

import re
from collections.abc import Callable, Iterable
from math import prod
from typing import Any

from api.inputs.one_of import exclude_each_other
from api.inputs.patterns import size, without_looks
from api.inputs.references import resolve

Schema = Any

#: What tells readers something, and restricts nothing.
_NOTES = {
    *(
        "$comment",
        "$id",
        "id",
        "$anchor",
        "title",
        "description",
        "default",
        "example",
        "examples",
        "deprecated",
    ),
    *("readOnly", "writeOnly", "nullable", "contentEncoding", "contentMediaType", "contentSchema"),
    *("discriminator", "xml", "externalDocs", "markdownDescription", "enumNames", "enumDescriptions"),
    *("errorMessage", "minContains", "maxContains"),
}
#: The formats that are enforced. Any other only says what a text is meant to be.
FORMATS = frozenset(
    ("date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri")
)
_DRAFTS = (
    "http://json-schema.org/draft-0",
    "https://json-schema.org/draft/",
    "http://json-schema.org/draft/",
)
_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions"})
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SINGLE = frozenset({"items", "additionalItems", "additionalProperties"})
#: What is said of others by values that restrict nothing.
_EMPTY: dict[str, tuple[object, ...]] = {
    "uniqueItems": (False,),
    "minItems": (0,),
    "minLength": (0,),
    "minProperties": (0,),
    "required": ([],),
    "unevaluatedProperties": (True, {}),
    "unevaluatedItems": (True, {}),
    "propertyNames": (True, {}, {"type": "string"}),
    "dependentRequired": ({},),
    "dependentSchemas": ({},),
    "dependencies": ({},),
    "not": (False,),
}
#: Keywords that can't be enforced at all.
_BEYOND = {
    *("not", "if", "then", "else", "contains", "uniqueItems", "propertyNames", "unevaluatedProperties"),
    *(
        "unevaluatedItems",
        "dependentRequired",
        "dependentSchemas",
        "dependencies",
        "$dynamicRef",
        "$recursiveRef",
    ),
}
#: What the library may not manage together with others.
_DELICATE = {
    *("pattern", "patternProperties", "format", "multipleOf", "minProperties", "maxProperties", "allOf"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
}
_WHOLE = re.compile(r"\^.*[^\\]\$", re.DOTALL)
#: Characters of a pattern with all its repetitions written out.
LARGEST_PATTERN = 20_000
#: Remainders that all factors of a schema may have together, and those of a factor between two bounds.
LARGEST_MULTIPLE, LARGEST_BOUNDED = 10_000, 1_000
#: Multiples between two bounds that are written out instead.
_MOST_WRITTEN_OUT = 500
#: Cases of a `oneOf` that are looked up by their names, within each other and in all: they may name themselves.
_DEEPEST_NAMED, _MOST_NAMED = 16, 1_000
#: Bounds beyond which no number is written anyway.
_FARTHEST = 1e100
_LARGEST = 9 * 10**18


class TooLarge(ValueError):
    """A keyword whose automaton would be too large."""


class Rewriting:
    """One schema. `loose`: what can't be enforced is left out. `noted`: the keywords that were left out so.

    Raises TooLarge.
    """

    def __init__(self, schema: Schema, *, loose: bool = False, simple: bool = False) -> None:
        """`simple`: without all that the library may not manage."""
        self.noted: set[str] = set()
        self._root = schema
        self._loose = loose or simple
        self._left_out = _BEYOND | _DELICATE if simple else _BEYOND
        self._factors: set[int] = set()
        #: names of cases that are being looked up, and how many were
        self._within: list[str] = []
        self._looked_up = 0
        self.result = self._of(schema)

    def _of(self, schema: Schema) -> Schema:
        if not isinstance(schema, dict):
            return schema
        said: dict[str, object] = {}
        for key, value in schema.items():
            # Of null only a constant can be meant.
            if key in _NOTES or key == "x-guidance" or (value is None and key != "const"):
                continue
            if any(value == each and type(value) is type(each) for each in _EMPTY.get(key, ())):
                continue
            said[key] = self._value(key, value)
        for rule in _RULES:
            rule(said)
        self._oneof(said)
        self._pattern(said)
        self._multiple(said)
        if self._loose:
            self._loosen(said)
        return said

    def _value(self, key: str, value: Any) -> Any:
        if key in _MAPS and isinstance(value, dict):
            return {name: self._of(each) for name, each in value.items()}
        if key in _LISTS or (key == "items" and isinstance(value, list)):
            return [self._of(each) for each in value] if isinstance(value, list) else value
        return self._of(value) if key in _SINGLE else value

    def _oneof(self, said: dict[str, object]) -> None:
        """Cases that exclude each other are those of `anyOf`."""
        cases = said.get("oneOf")
        if not isinstance(cases, list):
            return
        if exclude_each_other(cases, self._root) and "anyOf" not in said:
            said["anyOf"] = said.pop("oneOf")
            return
        said["oneOf"] = [self._named(case) for case in cases]
        if self._loose:
            self.noted.add("oneOf")
            others = said.pop("oneOf")
            said.setdefault("anyOf", others)

    def _named(self, case: Schema) -> Schema:
        """What a case names, in its place: only so can the library see that cases exclude each other."""
        if not isinstance(case, dict) or case.keys() != {"$ref"} or not str(case["$ref"]).startswith("#/"):
            return case
        name = str(case["$ref"])
        found = resolve(self._root, name)
        whole = isinstance(found, dict) and not {"oneOf", "anyOf", "allOf", "$ref"}.intersection(found)
        if (
            not whole
            or name in self._within
            or len(self._within) >= _DEEPEST_NAMED
            or self._looked_up >= _MOST_NAMED
        ):
            return case
        self._looked_up += 1
        self._within.append(name)
        try:
            return self._of(found)
        finally:
            self._within.pop()

    def _pattern(self, said: dict[str, object]) -> None:
        names = said.get("patternProperties")
        for pattern in [said.get("pattern"), *(names if isinstance(names, Iterable) else ())]:
            if isinstance(pattern, str) and size(pattern) > LARGEST_PATTERN:
                self._refuse(said, "pattern", f"it repeats more than {LARGEST_PATTERN:,} characters")
                return
        pattern = said.get("pattern")
        patterns = without_looks(pattern) if isinstance(pattern, str) else None
        if patterns is None or patterns == [pattern]:
            if patterns is None and isinstance(pattern, str) and self._loose:
                self._refuse(said, "pattern", "")
            return
        said["pattern"] = patterns[-1]
        text = {"type": "string"} if said.get("type") == "string" else {}
        others = said.get("allOf", [])
        more = [{**text, "pattern": each} for each in patterns[:-1]]
        said["allOf"] = [*(others if isinstance(others, Iterable) else [others]), *more]

    def _multiple(self, said: dict[str, object]) -> None:
        factor = said.get("multipleOf")
        if not isinstance(factor, int | float) or isinstance(factor, bool) or factor <= 0:
            return
        # The point moves behind the last digit: 0.25 counts as 25.
        digits = int(f"{factor:.12f}".replace(".", "").rstrip("0") or 1)
        digits = int(factor) if float(factor).is_integer() else digits
        bounds = [
            said.get("minimum", said.get("exclusiveMinimum")),
            said.get("maximum", said.get("exclusiveMaximum")),
        ]
        if digits > LARGEST_BOUNDED and None not in bounds:
            self._written_out(said, factor, *bounds)
            return
        # Where schemas are put together the remainders of their factors multiply.
        if prod({*self._factors, digits}) > LARGEST_MULTIPLE:
            self._refuse(said, "multipleOf", f"it has more than {LARGEST_MULTIPLE:,} remainders")
        else:
            self._factors.add(digits)

    def _written_out(self, said: dict[str, object], factor: Any, low: Any, high: Any) -> None:
        """A few multiples as an enum; with many the automaton would have a state for each digit and remainder."""
        whole = all(isinstance(each, int) for each in (factor, low, high))
        if not whole or (high - low) // factor > _MOST_WRITTEN_OUT or "enum" in said or "const" in said:
            self._refuse(
                said, "multipleOf", f"it has more than {LARGEST_BOUNDED:,} remainders between two bounds"
            )
            return
        beyond = {said.get("exclusiveMinimum"), said.get("exclusiveMaximum")}
        said["enum"] = [
            each for each in range(-(-low // factor) * factor, high + 1, factor) if each not in beyond
        ]
        del said["multipleOf"]

    def _refuse(self, said: dict[str, object], key: str, reason: str) -> None:
        if not self._loose:
            raise TooLarge(f"{key}: {reason}")
        self.noted.add(key)
        said.pop(key, None)
        said.pop("patternProperties", None)

    def _loosen(self, said: dict[str, object]) -> None:
        for key in self._left_out & said.keys():
            self.noted.add(key)
            del said[key]


def _formats(said: dict[str, object]) -> None:
    """A pattern of the whole text says more exactly what it is: Zod's of a time has no offset."""
    pattern = said.get("pattern")
    exact = isinstance(pattern, str) and _WHOLE.fullmatch(pattern) and without_looks(pattern) is not None
    if "format" in said and (said["format"] not in FORMATS or exact):
        del said["format"]


def _drafts(said: dict[str, object]) -> None:
    if "$schema" in said and not str(said["$schema"]).startswith(_DRAFTS):
        del said["$schema"]


def _conditions(said: dict[str, object]) -> None:
    """A condition without a consequence says nothing, nor does a consequence without a condition."""
    if "if" not in said or not ("then" in said or "else" in said):
        for key in ("if", "then", "else"):
            said.pop(key, None)


def _unique(said: dict[str, object]) -> None:
    if said.get("uniqueItems") is True and said.get("maxItems") in (0, 1):
        del said["uniqueItems"]


def _bounds(said: dict[str, object]) -> None:
    for key in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        bound = said.get(key)
        if not isinstance(bound, int | float) or isinstance(bound, bool):
            continue
        low = key.endswith("inimum")
        if (bound <= -_FARTHEST) if low else (bound >= _FARTHEST):
            del said[key]
        elif isinstance(bound, int) and abs(bound) > _LARGEST and low == (bound < 0):
            # The library counts in 64 bits, and rounds to what a double holds.
            said[key] = -_LARGEST if low else _LARGEST


def _names(said: dict[str, object]) -> None:
    """Names of members, where no member is described otherwise: by a pattern, or one by one."""
    names = said.get("propertyNames")
    if not isinstance(names, dict) or said.get("properties") or said.get("patternProperties"):
        return
    rest = said.get("additionalProperties", {})
    if (
        names.keys() <= {"type", "pattern"}
        and isinstance(names.get("pattern"), str)
        and "(?" not in names["pattern"]
    ):
        said["patternProperties"] = {names["pattern"]: rest}
    elif names.keys() <= {"type", "enum"} and isinstance(names.get("enum"), list):
        said["properties"] = {name: rest for name in names["enum"] if isinstance(name, str)}
    else:
        return
    said["additionalProperties"] = False
    del said["propertyNames"]


def _unevaluated(said: dict[str, object]) -> None:
    """Where nothing else describes members, those not evaluated are the additional ones."""
    parts = {"anyOf", "oneOf", "allOf", "$ref", "if", "dependentSchemas"}
    for key, plain in (("unevaluatedProperties", "additionalProperties"), ("unevaluatedItems", "items")):
        if key in said and plain not in said and not parts & said.keys():
            said[plain] = said.pop(key)


_RULES: tuple[Callable[[dict[str, object]], None], ...] = (
    _formats,
    _drafts,
    _conditions,
    _unique,
    _bounds,
    _names,
    _unevaluated,
)
