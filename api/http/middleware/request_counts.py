"""Counts requests by method, route and status. Every few seconds the counts go to Redis, for all API processes.

Labels are bounded: an address that no route has counts as `other`, and so does a method that HTTP does not know.
"""

import asyncio
import contextlib
from collections import Counter

import redis.asyncio
from redis.exceptions import RedisError
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.routes.addresses import addresses_of
from jobs.metrics import add_requests

#: Seconds between two writes. A process that is killed loses the counts of that time.
_PERIOD = 2.0
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER = "other"
#: The status of a request whose client left before the answer.
_LEFT = 499


class RequestCounts:
    """Those of one process that are not in Redis yet."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()

    def note(self, method: str, route: str, status: int) -> None:
        self._requests[method, route, status] += 1

    async def flush(self, client: redis.asyncio.Redis) -> None:
        """While Redis is away the counts stay here."""
        requests, self._requests = self._requests, Counter()
        if requests:
            try:
                await add_requests(client, requests)
            except (RedisError, OSError):
                self._requests.update(requests)

    async def keep_flushing(self, client: redis.asyncio.Redis) -> None:
        """Until it is cancelled, and then once more."""
        try:
            while True:
                await asyncio.sleep(_PERIOD)
                await self.flush(client)
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await self.flush(client)


class Counted:
    """Notes each request when it has ended, by the status that `RequestIds` has seen."""

    def __init__(self, app: ASGIApp, counts: RequestCounts) -> None:
        self.app = app
        self.counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        try:
            await self.app(scope, receive, send)
        finally:
            method = scope["method"]
            route = addresses_of(scope).template(scope["path"]) or _OTHER
            self.counts.note(method if method in _METHODS else _OTHER, route, state.get("status", _LEFT))
