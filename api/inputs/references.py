"""How deep a JSON schema is where its references are followed: readers follow them on their stack.

This module knows JSON pointers. It does not know keywords but `$ref`.
"""

from typing import Any
from urllib.parse import unquote

#: Levels of objects that all targets of references may have together. A library has ended the process at 3,000.
DEEPEST = 1_000


def is_too_deep(schema: Any) -> bool:
    """Whether references may lead deeper than that. No path has a target twice: readers remember them."""
    depths: dict[int, int] = {}
    targets: dict[str, None] = {}
    _measure(schema, depths, targets)
    if len(targets) > DEEPEST:
        return True
    found = [resolve(schema, target) for target in targets]
    return sum(depths.get(id(each), 1) for each in found) > DEEPEST


def _measure(value: Any, depths: dict[int, int], targets: dict[str, None]) -> int:
    """Notes the levels of objects in each object, and what references name."""
    if isinstance(value, list):
        depth = max((_measure(each, depths, targets) for each in value), default=0)
    elif isinstance(value, dict):
        depth = 1 + max((_measure(each, depths, targets) for each in value.values()), default=0)
        if isinstance(target := value.get("$ref"), str):
            targets[target] = None
    else:
        return 0
    depths[id(value)] = depth
    return depth


def resolve(schema: Any, target: str) -> Any:
    """What a pointer leads to; None where it leads nowhere."""
    found = schema
    for part in unquote(target.removeprefix("#")).split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and name.isdecimal() and int(name[:9]) < len(found):
            found = found[int(name[:9])]
        else:
            return None
    return found
