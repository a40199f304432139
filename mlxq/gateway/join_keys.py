"""Keys with which workers of other machines join: made, listed and revoked. Redis keeps only hashes of their secrets.

A key is `mlxq-join-<id>-<secret>-<fingerprint of the certificate>`. It is good for joining, and for nothing else.
"""

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass, field

import msgspec
import redis

from jobs import keys

_FORM = re.compile(r"mlxq-join-([0-9a-f]{8})-([0-9a-f]{32})-([0-9a-f]{64})")


class Record(msgspec.Struct, frozen=True):
    """What Redis keeps of a key. `made` is in Unix seconds."""

    name: str
    hash: str
    made: float


@dataclass(frozen=True, slots=True)
class JoinKey:
    """A key as its owner has it."""

    id: str
    secret: str = field(repr=False)
    fingerprint: str

    def __str__(self) -> str:
        return f"mlxq-join-{self.id}-{self.secret}-{self.fingerprint}"

    @staticmethod
    def parse(text: str) -> "JoinKey | None":
        """None for what is no such key."""
        found = _FORM.fullmatch(text.strip())
        return JoinKey(*found.groups()) if found else None


_records = msgspec.json.Decoder(Record)


def decode(text: bytes | str) -> Record | None:
    """None for what another version wrote."""
    try:
        return _records.decode(text)
    except msgspec.DecodeError:
        return None


def is_secret(record: Record, secret: str) -> bool:
    """Whether it is the secret of that key. Compares in constant time."""
    return hmac.compare_digest(record.hash, _hash(secret))


def make(connection: redis.Redis, name: str, fingerprint: str) -> JoinKey:
    """A new key. Raises RedisError."""
    key = JoinKey(secrets.token_hex(4), secrets.token_hex(16), fingerprint)
    record = Record(name, _hash(key.secret), time.time())
    connection.hset(keys.JOIN_KEYS, key.id, msgspec.json.encode(record))
    return key


def listed(connection: redis.Redis) -> dict[str, Record]:
    """All keys by their ids, the oldest first. Raises RedisError."""
    found: dict[bytes, bytes] = connection.hgetall(keys.JOIN_KEYS)  # type: ignore[assignment]  # not decoded
    records = {key.decode(): record for key, text in found.items() if (record := decode(text)) is not None}
    return dict(sorted(records.items(), key=lambda each: each[1].made))


def revoke(connection: redis.Redis, key_id: str) -> bool:
    """Nobody joins with it any more, and those who have are sent away. False: there is none. Raises RedisError."""
    if not connection.hdel(keys.JOIN_KEYS, key_id):
        return False
    connection.publish(keys.GATEWAY, key_id)
    return True


def _hash(secret: str) -> str:
    """Secrets are random and long: nothing is gained by a slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()
