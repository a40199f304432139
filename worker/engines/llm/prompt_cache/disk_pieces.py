"""Pieces of cached prompts: what identifies them, and the names of their files.

A piece belongs to the beginning of a prompt: its key has the number of these tokens and a digest of the model and of
the tokens. This module knows names. It does not know files or arrays.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

import numpy as np

#: Tokens of a block: a longer prompt shares all full blocks of its beginning. A block of an 8B model has 38 MB.
BLOCK = 256
#: No prompt has so many tokens.
_MOST_TOKENS = 10**8
_NAME = re.compile(r"(\d{8})-([0-9a-f]{64})-([0-9a-f]{8})\.(block|state)\.safetensors", re.ASCII)


class Kind(StrEnum):
    """`block`: keys and values of the last tokens of the beginning. `state`: what layers hold at its end."""

    BLOCK = "block"
    STATE = "state"


class Key(NamedTuple):
    """The beginning of a prompt: `length` tokens with this digest."""

    kind: Kind
    length: int
    digest: str

    def file_name(self, checksum: int) -> str:
        """The checksum is that of the file's content."""
        return f"{self.length:08d}-{self.digest}-{checksum:08x}.{self.kind}.safetensors"


def read_name(name: str) -> tuple[Key, int] | None:
    """The key and the checksum of a file; None for a name that this module does not make."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    length, digest, checksum, kind = found.groups()
    return Key(Kind(kind), int(length), digest), int(checksum, 16)


def digests(model: str, tokens: list[int], lengths: Iterable[int]) -> Iterator[tuple[int, str]]:
    """The digests of the first tokens, for ascending lengths. `model` identifies the model."""
    data = memoryview(np.asarray(tokens, dtype="<i4").tobytes())
    running = hashlib.blake2b(model.encode(), digest_size=32)
    done = 0
    for length in lengths:
        if length > min(len(tokens), _MOST_TOKENS):
            return
        running.update(data[4 * done : 4 * length])
        done = length
        yield length, running.copy().hexdigest()
