"""Who may come in: keys of those who join, and sessions of those who have. The truth about keys is in Redis."""

import msgspec
import redis.asyncio

from config.settings import Settings
from jobs import keys
from mlxq.gateway import join_keys, shapes
from mlxq.gateway.certificate import Certificate
from mlxq.gateway.join_keys import JoinKey
from mlxq.gateway.sessions import Joined, Sessions

#: Seconds for which Redis keeps which key a worker has joined with, after the gateway has last heard of it.
KNOWN = 60


class Guard:
    """One per gateway."""

    def __init__(self, settings: Settings, certificate: Certificate, client: redis.asyncio.Redis) -> None:
        """`client` speaks str."""
        self.settings = settings
        self.fingerprint = certificate.fingerprint
        self.redis = client
        self._sessions = Sessions(certificate.secret, msgspec.json.encode(shapes.agreed(settings)))

    async def open(self, text: str, host: str, pid: int) -> tuple[Joined, str] | None:
        """A session for who has this key, and its token. None: the key is not valid. Raises RedisError."""
        key = JoinKey.parse(text)
        if key is None:
            return None
        stored = await self.redis.hget(keys.JOIN_KEYS, key.id)
        record = None if stored is None else join_keys.decode(stored)
        if record is None or not join_keys.is_secret(record, key.secret):
            return None
        joined, token = self._sessions.open(key.id, host, pid)
        await self.seen(joined)
        return joined, token

    async def check(self, worker: str, token: str) -> Joined | None:
        """The session with this token. None: it is not valid, or its key was revoked. Raises RedisError."""
        joined = self._sessions.find(worker, token)
        if joined is None or not await self.redis.hexists(keys.JOIN_KEYS, joined.key):
            return None
        return joined

    async def seen(self, joined: Joined) -> None:
        """Note that this worker is there. Raises RedisError."""
        await self.redis.set(keys.joined(joined.worker), joined.key, ex=KNOWN)
