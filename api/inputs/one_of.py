"""Whether the cases of a `oneOf` exclude each other: then it means the same as `anyOf`, which can be enforced.

It looks at types, constants and named members of the cases themselves. It does not look into members of members.
"""

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import orjson

from api.inputs.references import resolve
from config.values import JsonObject, json_type

#: Cases that are compared with each other.
_MOST = 200
#: References that are followed from a case.
_HOPS = 8
_TYPES = frozenset({"null", "boolean", "object", "array", "number", "string"})


def exclude_each_other(cases: list[Any], root: Any) -> bool:
    """Whether no value can satisfy two of them. False where that is not certain."""
    if len(cases) > _MOST:
        return False
    found = [_followed(case, root) for case in cases]
    return all(_are_apart(one, other, root) for one, other in combinations(found, 2))


def _followed(case: Any, root: Any) -> Any:
    for _ in range(_HOPS):
        if not isinstance(case, dict) or not isinstance(target := case.get("$ref"), str):
            return case
        case = resolve(root, target)
    return None


def _are_apart(one: Any, other: Any, root: Any) -> bool:
    if one is False or other is False:
        return True
    if not isinstance(one, dict) or not isinstance(other, dict):
        return False
    types = _types(one), _types(other)
    if not types[0] & types[1]:
        return True
    values = _values(one), _values(other)
    if values[0] is not None and values[1] is not None and not values[0] & values[1]:
        return True
    if types[0] & types[1] != {"object"}:
        return False
    required = _required(one) & _required(other)
    return any(_have_other_values(one, other, name, root) for name in required)


def _have_other_values(one: JsonObject, other: JsonObject, name: str, root: Any) -> bool:
    """Whether a member that both need has no value in common."""
    values = _values_of_member(one, name, root), _values_of_member(other, name, root)
    return values[0] is not None and values[1] is not None and not values[0] & values[1]


def _values_of_member(case: JsonObject, name: str, root: Any) -> frozenset[bytes] | None:
    members = case.get("properties")
    found = _followed(members.get(name), root) if isinstance(members, dict) else None
    return _values(found) if isinstance(found, dict) else None


def _types(case: JsonObject) -> frozenset[str]:
    """The types of values that it allows, as far as its own words tell."""
    said = case.get("type")
    names = [said] if isinstance(said, str) else said if isinstance(said, list) else None
    found = _TYPES if names is None else _numbers(name for name in names if isinstance(name, str))
    named = [case["const"]] if "const" in case else case.get("enum")
    return found & _numbers(map(json_type, named)) if isinstance(named, list) else found


def _numbers(types: Iterable[str]) -> frozenset[str]:
    """An integer is a number: 1 and 1.0 are the same."""
    return frozenset("number" if each == "integer" else each for each in types)


def _values(case: JsonObject) -> frozenset[bytes] | None:
    """The values that it names; None: any."""
    if "const" in case:
        return frozenset({_written(case["const"])})
    named = case.get("enum")
    return frozenset(map(_written, named)) if isinstance(named, list) else None


def _written(value: Any) -> bytes:
    """1 and 1.0 are one number, and true is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a number of more than 64 bits
        return repr(value).encode()


def _required(case: JsonObject) -> frozenset[str]:
    names = case.get("required")
    return (
        frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset()
    )
