"""The kinds of values that settings have beyond plain numbers and strings, how they are written, and JSON of others.

This module knows `30m`, `a, b` and `~/x:/y`; it does not know any setting.
"""

import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BeforeValidator, Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode

#: A JSON object whose shape belongs to others: a JSON schema, a tool's parameters, a model's config.json.
JsonObject: TypeAlias = Mapping[str, object]

LOOPBACK_NETWORKS: tuple[IPv4Network | IPv6Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1"))

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?) *(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def json_type(value: object) -> str:
    """The name that JSON schemas have for the type of a value: of a whole number `integer`."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _duration(value: object) -> object:
    """`30m` or `24h` as seconds; whatever has no unit is left to the field's own type."""
    found = _DURATION.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    return float(found[1]) * _SECONDS[found[2]] if found else value


def _automatic(value: object) -> object:
    """`auto` as None."""
    return None if isinstance(value, str) and value.strip().lower() == "auto" else value


def _names(value: object) -> object:
    """`a, b` as ("a", "b")."""
    return (
        tuple(name for part in value.split(",") if (name := part.strip()))
        if isinstance(value, str)
        else value
    )


def _paths(value: object) -> object:
    """Folders separated by the system's path separator or by commas."""
    if not isinstance(value, str):
        return value
    return tuple(path for part in re.split(f"[,{os.pathsep}]", value) if (path := part.strip()))


def _directory(value: object) -> object:
    return Path(value).expanduser().absolute() if isinstance(value, str | Path) else value


def _networks(value: object) -> object:
    """`10.0.0.0/8, ::1` as networks; `none` as no network."""
    if not isinstance(value, str):
        return value
    if value.strip().lower() == "none":
        return ()
    try:
        return tuple(ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip())
    except ValueError:
        raise ValueError("addresses and networks, such as 10.0.0.1, 192.168.0.0/16, or none") from None


Seconds = Annotated[float, BeforeValidator(_duration), Field(allow_inf_nan=False)]
Automatic = Annotated[float | None, BeforeValidator(_automatic)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_names)]
Directory = Annotated[Path, BeforeValidator(_directory)]
Directories = Annotated[tuple[Directory, ...], NoDecode, BeforeValidator(_paths)]


def bounds(field: FieldInfo) -> str:
    """What a number, a switch or a choice may be, in words; empty for a field without such a rule."""
    if field.annotation is bool:
        return "1 or 0"
    if get_origin(field.annotation) is Literal:
        *others, last = map(str, get_args(field.annotation))
        return f"{', '.join(others)} or {last}"
    rules = {type(rule): rule for rule in field.metadata}
    low, above, high = rules.get(Ge), rules.get(Gt), rules.get(Le)
    if high is None:
        return ""
    is_duration = any(isinstance(rule, BeforeValidator) and rule.func is _duration for rule in field.metadata)
    kind = "seconds" if is_duration else "a whole number" if field.annotation is int else "a number"
    span = f"from {low.ge} to {high.le}" if low else f"above {above.gt if above else 0} and up to {high.le}"
    if field.annotation == float | None:
        return f"auto or {kind} {span}"
    return f"{kind} {span}" + (", or such as 90s, 30m, 24h" if is_duration else "")
