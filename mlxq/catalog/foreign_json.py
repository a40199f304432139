"""JSON written by others: a model's author, a hub, another program.

`parse` accepts only text that all readers understand alike: UTF-8 without a byte order mark, no NaN, no duplicate
key, no lone surrogate, no number that some readers round or refuse, no deep nesting. `read_object` is the tolerant
reader: an unreadable file counts as an empty object. This module knows bytes; it does not know models.
"""

import json
import math
import os
import re
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson

#: Bytes of the largest file that is read. The largest tokenizers have 40 MB.
LONGEST = 128 << 20
#: How deep objects and lists may lie in one another. The deepest known config.json has 9 levels.
DEEPEST = 64
#: Digits of a whole number: `model_max_length` of many tokenizers is 10**30.
_DIGITS = 40
#: Keys below which transformers writes Infinity itself, for models with state spaces.
_UNBOUNDED = frozenset({"time_step_limit"})

_CONTAINERS = frozenset({dict, list})
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class UnsoundJson(ValueError):
    """The text is not JSON, or readers understand it differently. The message continues "it …"."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """`removed`: the number of unwanted keys that were left out."""

    value: object
    removed: int


def parse(data: bytes) -> object:
    """The value of a JSON text. Raises UnsoundJson."""
    return parse_without(data, ()).value


def parse_without(data: bytes, unwanted: Collection[str]) -> Parsed:
    """The value of a JSON text without some keys at any depth, unless they stand for a number. Raises UnsoundJson."""
    infinite = removed = 0

    def constant(name: str) -> float:
        nonlocal infinite
        if name == "NaN":
            raise UnsoundJson("holds NaN")
        infinite += 1
        return math.inf if name == "Infinity" else -math.inf

    def object_(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal removed
        found = dict(pairs)
        if len(found) != len(pairs):
            raise UnsoundJson("has an object with the same key twice")
        for key in unwanted:
            if key in found and type(found[key]) not in (int, float):
                del found[key]
                removed += 1
        return found

    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=object_,
            parse_constant=constant,
            parse_float=_float,
            parse_int=_int,
        )
    except UnsoundJson:
        raise
    except RecursionError:
        raise UnsoundJson("is nested too deeply") from None
    except UnicodeDecodeError:
        raise UnsoundJson("is not UTF-8") from None
    except ValueError as error:
        raise UnsoundJson(f"is not valid JSON ({str(error)[:100]})") from None
    if _SURROGATE.search(data) and not infinite:
        try:
            orjson.loads(data)
        except ValueError:
            raise UnsoundJson("holds half of a surrogate pair") from None
    _measure(value)
    if infinite and infinite != _unbounded(value):
        raise UnsoundJson("holds Infinity")
    return Parsed(value, removed)


def read(path: Path, most: int = LONGEST) -> object:
    """The value in a file. Raises UnsoundJson, and OSError."""
    return parse(read_bytes(path, most))


def read_object(path: Path, most: int = LONGEST) -> dict[str, object]:
    """The object in a file; an empty one where there is none that can be read."""
    try:
        content = read(path, most)
    except (OSError, UnsoundJson):
        return {}
    return content if isinstance(content, dict) else {}


def read_bytes(path: Path, most: int = LONGEST) -> bytes:
    """The content of a regular file of at most so many bytes. Raises UnsoundJson, and OSError."""
    with open_regular(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise UnsoundJson(f"is longer than {most >> 20} MB")
    return data


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """The file, to be read. Raises UnsoundJson for a pipe or a device, and OSError."""
    # Opening a pipe would block.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UnsoundJson("is no regular file")
        yield file


def write(value: object) -> bytes:
    """The value as JSON that `parse` reads as the same."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise UnsoundJson(f"holds a number that is too large ({text[:20]})")
    return number


def _int(text: str) -> int:
    if len(text) > _DIGITS:
        raise UnsoundJson(f"holds a number that is too large ({text[:20]}…)")
    return int(text)


def _measure(value: object) -> None:
    """Raises UnsoundJson when it is nested too deeply."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) in _CONTAINERS
        ]
        if not level:
            return
    raise UnsoundJson(f"is nested more than {DEEPEST} levels deep")


def _unbounded(value: object, key: str = "") -> int:
    """The number of infinities at keys that are known to have them."""
    if isinstance(value, dict):
        return sum(_unbounded(inner, name) for name, inner in value.items())
    if isinstance(value, list):
        return sum(_unbounded(inner, key) for inner in value)
    return int(key in _UNBOUNDED and isinstance(value, float) and math.isinf(value))
