"""The record of a stored file, as it is kept in Redis."""

import secrets
from typing import NamedTuple

import msgspec


def new_file_id() -> str:
    return f"file-{secrets.token_hex(12)}"


class Part(NamedTuple):
    """A blob that is a part of a file, and its bytes."""

    blob: str
    size: int

    def encode(self) -> str:
        return f"{self.blob} {self.size}"

    @staticmethod
    def decode(text: str) -> "Part":
        blob, _, size = text.partition(" ")
        return Part(blob, int(size))


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """`created_at` and `expires_at` are in Unix seconds. `batch`: the batch that writes it."""

    id: str
    filename: str
    purpose: str
    owner: str = ""
    created_at: int = 0
    expires_at: int | None = None
    batch: str = ""
    bytes: int = 0
