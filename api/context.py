"""What routes share: settings, names of models, the job client of this event loop, and who waits for what."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from config.catalog import Catalog, ModelRef, UnknownModel
from config.settings import Settings
from jobs.client import JobClient
from jobs.errors import ModelNotFound
from jobs.gate import Ttl

#: Seconds that a resolved name holds, and how many are remembered.
_FRESH = 1.0
_REMEMBERED = 256


class Context:
    """One per application. The job client belongs to an event loop and lies in the request's state."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.catalog = Catalog(settings)
        #: How many synchronous calls wait for a job: only the last one that leaves cancels it.
        self.callers: Counter[str] = Counter()
        self._known: dict[str, tuple[float, ModelRef]] = {}

    @asynccontextmanager
    async def job_client(self) -> AsyncIterator[JobClient]:
        ttl = Ttl(result=int(self.settings.result_ttl), events=int(self.settings.events_ttl))
        jobs = JobClient(self.settings.redis_address, queue_limit=self.settings.queue_limit, ttl=ttl)
        await jobs.start()
        try:
            yield jobs
        finally:
            # An in-process test client cancels a request whose stream it has read; connections must close.
            with anyio.CancelScope(shield=True):
                await jobs.stop()

    async def resolve(self, name: str) -> ModelRef:
        """What a model's name means; the disk is read off the event loop. Raises ModelNotFound."""
        now = time.monotonic()
        known = self._known.get(name)
        if known and now - known[0] < _FRESH:
            return known[1]
        try:
            ref = await asyncio.to_thread(self.catalog.resolve, name)
        except UnknownModel as error:
            raise ModelNotFound(str(error), param="model") from None
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[name] = (now, ref)
        return ref


def context_of(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


def jobs_of(request: Request) -> JobClient:
    jobs: JobClient = request.state.jobs
    return jobs


class OwnClient:
    """Gives a job client to requests that come without a lifespan.

    An in-process test client that is not entered with `with` runs every request on an event loop of its own.
    """

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self.app = app
        self.context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "jobs" in scope.get("state", {}):
            await self.app(scope, receive, send)
            return
        async with self.context.job_client() as jobs:
            scope.setdefault("state", {})["jobs"] = jobs
            await self.app(scope, receive, send)
