"""Shared by routes: settings, names of models, and the job client of the event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.middleware.request_counts import RequestCounts
from api.http.models.known_models import KnownModels
from api.http.models.machines import Machines
from api.http.models.model_names import ModelNames
from config.settings import Settings
from jobs.blobs import blob_store
from jobs.client import JobClient
from jobs.errors import InvalidRequest, ModelNotFound
from jobs.gate import Ttl
from jobs.kinds import Category
from mlxq.catalog import ModelRef, UnknownAdapter, UnknownModel
from mlxq.catalog.voices import VoiceRegistry
from mlxq.downloads.reach import HubReach, unreachable


class Context:
    """One per application. The job client belongs to an event loop and lies in the request's state."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.machines = Machines(settings)
        self.names = ModelNames(settings)
        self.models = KnownModels(settings, self.machines, self.names)
        self.blobs = blob_store(settings)
        self.voices = VoiceRegistry(settings.voices_dir)
        self.reach = HubReach(settings)
        self.requests = RequestCounts()

    @asynccontextmanager
    async def job_client(self) -> AsyncIterator[JobClient]:
        jobs = JobClient(
            self.settings.redis_address,
            queue_limit=self.settings.queue_limit,
            ttl=Ttl.of(self.settings),
            keep_bytes=int(self.settings.keep_request_kb * 1024),
        )
        await jobs.start()
        try:
            yield jobs
        finally:
            # An in-process test client cancels a request whose stream it has read; connections must close.
            with anyio.CancelScope(shield=True):
                await jobs.stop()

    async def resolve(
        self, jobs: JobClient, name: str, category: Category = Category.LLM, adapters: str | None = None
    ) -> ModelRef:
        """The model of a name in a request of that category.

        With `adapters`, the name of a LoRA adapter, it is another model. Raises ModelNotFound, and InvalidRequest for
        a model of another category or one that can't be used.
        """
        ref = await self.look_up(jobs, name, category, adapters)
        if ref.fault is not None:
            raise InvalidRequest(
                f"The model '{ref.id}' can't be used. {ref.fault.reason}", param="model", code=ref.fault.code
            )
        if ref.category not in (None, category):
            raise InvalidRequest(
                f"The model '{name}' is not of the category '{category}' but of '{ref.category}'.",
                param="model",
                code="unsupported_model",
            )
        return ref

    async def at_hand(self, ref: ModelRef) -> ModelRef:
        """The same model if it is installed or the hub is reachable, else its replacement. Raises HubUnavailable."""
        if ref.installed or await self.reach.check():
            return ref
        if ref.instead is None:
            raise unreachable(model=ref.base_id)
        return ref.instead

    async def look_up(
        self, jobs: JobClient, name: str, category: Category = Category.LLM, adapters: str | None = None
    ) -> ModelRef:
        """The same for a model of any category: of `category` is the default. Raises ModelNotFound."""
        try:
            return await self.models.resolve(jobs, name, category, adapters)
        except UnknownModel as error:
            param = "adapters" if isinstance(error, UnknownAdapter) else "model"
            raise ModelNotFound(str(error), param=param) from None


def context_of(request: HTTPConnection) -> Context:
    context: Context = request.app.state.context
    return context


def jobs_of(request: HTTPConnection) -> JobClient:
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
        if scope["type"] not in ("http", "websocket") or "jobs" in scope.get("state", {}):
            await self.app(scope, receive, send)
            return
        async with self.context.job_client() as jobs:
            scope.setdefault("state", {})["jobs"] = jobs
            await self.app(scope, receive, send)
