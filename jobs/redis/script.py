"""A Lua script outside of the gate: put together from files, and known to Redis by its hash."""

from collections.abc import Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any

import redis.asyncio
from redis.exceptions import NoScriptError


class Script:
    """Calls run the script; Redis gets its text when it does not know it yet."""

    def __init__(self, *files: Path) -> None:
        self._text = "\n".join(file.read_text() for file in files)
        self._sha = sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(
        self, connection: redis.asyncio.Redis, names: Sequence[str], *arguments: str | bytes | int | float
    ) -> Any:
        """Raises RedisError."""
        try:
            return await connection.evalsha(self._sha, len(names), *names, *arguments)
        except NoScriptError:
            return await connection.eval(self._text, len(names), *names, *arguments)
