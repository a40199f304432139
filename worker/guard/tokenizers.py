"""Guards tokenizers, which are compiled code that does what a model's author has written.

What makes too much of a text would end the process: the library has no bound, and a failed allocation aborts. Its
other failures are panics, which no `except Exception` catches. This module knows tokenizer.json and the library
`tokenizers`.
"""

import base64
import functools
import math
from collections.abc import Callable
from typing import Any

from mlxq.catalog.model_json import UnfitFolder

#: How many times as long as it is a text may become, and how many tokens may be put around it. Known tokenizers
#: stay below 20 and 10.
_MOST_TIMES, _MOST_AROUND = 1000, 1000
#: Lists of steps, each of which gets what the one before it has made.
_STEPS = ("normalizers", "pretokenizers", "decoders", "processors")
#: What runs an author's steps on a text, or reads their file.
_CALLS = (
    "add_special_tokens",
    "add_tokens",
    "decode",
    "decode_batch",
    "encode",
    "encode_batch",
    "encode_batch_fast",
)
_READERS = ("from_buffer", "from_file", "from_str")


class TokenizerPanic(ValueError):
    """A tokenizer failed on a text, such as a pattern that takes too long, or on its own file."""


def check_tokenizer(content: object) -> None:
    """Raises UnfitFolder for a tokenizer.json that makes far more of a text than it is."""
    if not isinstance(content, dict):
        return
    reads = _times(content.get("normalizer")) * _times(content.get("pre_tokenizer"))
    if max(reads, _times(content.get("decoder"))) > _MOST_TIMES:
        raise UnfitFolder(f"has a tokenizer that makes texts more than {_MOST_TIMES} times as long")
    if _around(content.get("post_processor")) > _MOST_AROUND:
        raise UnfitFolder(f"has a tokenizer that puts more than {_MOST_AROUND} tokens around each text")


def panics_are_errors() -> None:
    """Have a tokenizer's panics raised as errors that belong to the request."""
    from tokenizers import Tokenizer

    for name in _CALLS:
        setattr(Tokenizer, name, _without_panics(getattr(Tokenizer, name)))
    for name in _READERS:
        setattr(Tokenizer, name, staticmethod(_without_panics(getattr(Tokenizer, name))))


def _without_panics(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def calling(*args: Any, **options: Any) -> Any:
        try:
            return call(*args, **options)
        except Exception:
            raise
        except BaseException as error:
            # Its class can't be imported.
            if type(error).__name__ != "PanicException":
                raise
            raise TokenizerPanic(str(error)[:1000]) from None

    return calling


def _times(step: Any) -> float:
    """How many times as long a text is after a step, at most."""
    if not isinstance(step, dict):
        return 1
    match step.get("type"):
        case "Replace":
            return _replaced(step.get("pattern"), len(str(step.get("content", ""))))
        case "Prepend":
            return 1 + len(str(step.get("prepend", "")))
        case "ByteLevel":
            # A letter is up to four bytes.
            return 4
        case "Precompiled":
            return _longest_mapping(str(step.get("precompiled_charsmap") or ""))
    return math.prod((_times(inner) for inner in _inner(step)), start=1.0)


def _replaced(pattern: Any, length: int) -> float:
    text = pattern.get("String") if isinstance(pattern, dict) else None
    if isinstance(text, str):
        return max(1.0, length / max(1, len(text)))
    # An expression may match between any two letters.
    return 1 + length


def _longest_mapping(text: str) -> float:
    """SentencePiece's table of letters: a length, an index of that length, then the texts that letters become."""
    try:
        table = base64.b64decode(text)
    except ValueError:
        return 1
    texts = table[4 + int.from_bytes(table[:4], "little") :]
    return max(map(len, texts.split(b"\0")), default=1) or 1


def _around(step: Any) -> int:
    """How many tokens a step puts around a text, at most."""
    if not isinstance(step, dict):
        return 0
    tokens = step.get("special_tokens")
    known = tokens.values() if isinstance(tokens, dict) else ()
    ids = [token.get("ids") for token in known if isinstance(token, dict)]
    longest = max((len(each) for each in ids if isinstance(each, list)), default=0)
    pieces = sum(len(step[side]) for side in ("single", "pair") if isinstance(step.get(side), list))
    return pieces * longest + sum(map(_around, _inner(step)))


def _inner(step: dict[str, Any]) -> list[Any]:
    return [inner for name in _STEPS if isinstance(step.get(name), list) for inner in step[name]]
