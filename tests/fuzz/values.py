"""Odd JSON values, and small changes of good ones. It knows JSON; it does not know routes."""

import json
from random import Random
from typing import Any

#: Values of each type that have broken servers.
STRINGS = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff\ud800",
    "\u202e\u200b\ufeff",
    "🦊" * 40,
    "é" * 300,
    "default",
    "auto",
    "null",
    "true",
    "../../../etc/passwd",
    "/etc/passwd",
    "~/x",
    "http://127.0.0.1:1/",
    "file:///etc/passwd",
    "data:image/png;base64,",
    "data:image/png;base64,AAAA",
    "data:,x",
    "@@@",
    "%00%2f..%2f",
    "{{7*7}}",
    "{% for x in range(10**9) %}x{% endfor %}",
    "<think>",
    "<|im_end|>",
    "<tool_call>",
    "[INST]",
    "${jndi:ldap://x}",
    "\r\nX-Injected: 1",
    "1e400",
    "-0",
    "٣",
    "(a+)+$",
    "NaN",
    "x" * 5_000,
)
NUMBERS = (
    0,
    -1,
    1,
    2,
    1.5,
    -0.0,
    1e-320,
    1e308,
    2**31,
    -(2**31),
    2**53,
    2**63,
    -(2**63) - 1,
    2**64,
    10**30,
    0.1,
)
OTHERS: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [None],
    [[]],
    [{}],
    {"": ""},
    {"a": {"b": [1, {"c": None}]}},
)
#: Written as they are: no JSON library would write them.
RAW = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e400",
    b"01",
    b"0x10",
    b"'x'",
    b"{,}",
    b'"\\ud800"',
    b'"\xff"',
    b"\xef\xbb\xbf1",
)


def value(rng: Random, depth: int = 0) -> Any:
    """Any JSON value; nested ones are small."""
    draw = rng.random()
    if draw < 0.35:
        return rng.choice(STRINGS)
    if draw < 0.6:
        return rng.choice(NUMBERS)
    if draw < 0.8 or depth > 3:
        return rng.choice(OTHERS)
    if draw < 0.9:
        return [value(rng, depth + 1) for _ in range(rng.randrange(5))]
    return {rng.choice(STRINGS): value(rng, depth + 1) for _ in range(rng.randrange(4))}


def nested(rng: Random) -> Any:
    """A list or an object in a list or an object, and so on, deeper than readers like."""
    inner: Any = rng.choice((1, None, "x"))
    for _ in range(rng.choice((30, 90, 130, 400))):
        inner = [inner] if rng.random() < 0.5 else {"a": inner}
    return inner


def many(rng: Random) -> Any:
    """A long list of wrong items."""
    return [rng.choice((1, {}, [], None, ""))] * rng.choice((100, 3_000, 20_000))


def change(rng: Random, good: Any) -> Any:
    """The same with one thing changed, somewhere inside."""
    if isinstance(good, dict) and good and rng.random() < 0.85:
        changed = dict(good)
        key = rng.choice(list(changed))
        draw = rng.random()
        if draw < 0.15:
            del changed[key]
        elif draw < 0.25:
            changed[rng.choice(STRINGS)] = changed.pop(key)
        elif draw < 0.3:
            changed[rng.choice(STRINGS)] = value(rng)
        else:
            changed[key] = change(rng, changed[key])
        return changed
    if isinstance(good, list) and good and rng.random() < 0.7:
        place = rng.randrange(len(good))
        draw = rng.random()
        if draw < 0.2:
            return good[:place] + good[place + 1 :]
        if draw < 0.4:
            return good[: place + 1] * 2 + good[place:]
        return [*good[:place], change(rng, good[place]), *good[place + 1 :]]
    draw = rng.random()
    if draw < 0.04:
        return nested(rng)
    if draw < 0.07:
        return many(rng)
    if isinstance(good, str) and draw < 0.3:
        return good + rng.choice(STRINGS)
    if isinstance(good, int | float) and draw < 0.4:
        return good * rng.choice((-1, 0, 0.5, 1e9))
    return value(rng)


def written(rng: Random, body: Any) -> bytes:
    """As JSON, now and then with something in it that is none, or cut."""
    text = json.dumps(body, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    draw = rng.random()
    if draw < 0.03:
        return text[: rng.randrange(len(text) + 1)]
    if draw < 0.06:
        return text.replace(b":", b":" + rng.choice(RAW) + b",", 1)
    if draw < 0.08:
        place = rng.randrange(len(text) + 1)
        return text[:place] + rng.randbytes(rng.randrange(1, 4)) + text[place:]
    if draw < 0.1:
        return text.replace(b"{", b'{"model":"x",', 1)
    if draw < 0.11:
        return b" " * 1000 + text + b"\n" * 1000
    return text
