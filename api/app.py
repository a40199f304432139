"""The application: routes, middleware in their order, and what starts and stops with it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from api.anthropic.batches import router as message_batches
from api.anthropic.files import router as anthropic_files
from api.anthropic.messages import router as messages
from api.anthropic.models import router as anthropic_models
from api.batches.batching import Batching
from api.batches.driver import BatchDriver
from api.dispatch.renderers import Renderers
from api.dispatch.resource import Resource
from api.http.answers.errors import ErrorBoundary, handle
from api.http.bodies.uploads import OwnUploads
from api.http.context import Context, OwnClient
from api.http.middleware.access_log import AccessLog
from api.http.middleware.body_limit import BodyLimit
from api.http.middleware.coding import Decoding
from api.http.middleware.cors import Cors, Defence
from api.http.middleware.first import Heads, Paths, RequestIds
from api.http.middleware.forwarded import Forwarded
from api.http.middleware.request_counts import Counted
from api.http.middleware.security import CallerGuard, HostGuard, host_name, listens_everywhere
from api.http.middleware.tracing import Traced
from api.http.openapi import Api
from api.http.routes.addresses import Addresses, greed
from api.llamacpp.completion import router as llama_completion
from api.llamacpp.prompts import router as llama_prompts
from api.llamacpp.state import router as llama_state
from api.lmstudio.models import router as lmstudio_models
from api.lmstudio.text import router as lmstudio_text
from api.mcp import router as mcp
from api.mlxgui.discover import router as discover
from api.mlxgui.generate import router as generate
from api.mlxgui.manager import router as manager
from api.mlxgui.models import router as named_models
from api.mlxgui.settings import router as settings_route
from api.mlxgui.system import router as system
from api.models.hub import Hub
from api.native.addresses import router as addresses
from api.native.artifacts import router as artifacts
from api.native.checks import router as checks
from api.native.description import router as description
from api.native.events import router as events
from api.native.events.feed import Feed
from api.native.hub import router as hub_models
from api.native.jobs import router as jobs
from api.native.joining import router as joining
from api.native.logs import router as logs
from api.native.metrics import router as metrics
from api.native.queue import router as queue
from api.native.system import router as health
from api.native.usage import router as usage
from api.native.webhooks import router as webhooks
from api.native.workers import router as workers
from api.ollama.chat import router as ollama_chat
from api.ollama.embed import router as ollama_embed
from api.ollama.models import router as ollama_models
from api.ominix.models import router as loaded_models
from api.ominix.speech_socket import router as speech_socket
from api.ominix.voices import router as voices
from api.openai.batches import router as batches
from api.openai.chat import router as chat
from api.openai.completions import router as completions
from api.openai.dialect import OPENAI
from api.openai.embeddings import router as embeddings
from api.openai.files import router as files
from api.openai.images import router as images
from api.openai.models import router as models
from api.openai.responses import router as responses
from api.openai.speech import router as speech
from api.openai.transcription import router as transcription
from api.page import router as page
from api.rerank import router as rerank
from api.webhooks.deliverer import Deliverer
from config import VERSION
from config.settings import Settings, load_settings
from jobs.client import JobClient
from jobs.errors import MlxqError
from jobs.live_settings import LiveSettings, apply_log_level, follow
from jobs.tasks import end
from jobs.usage import keep_time_zone

log = logging.getLogger(__name__)

#: Seconds between two looks for a Redis that is not there yet, before the first line about it, between two.
_LOOK, _PATIENCE, _REMIND = 0.25, 2.0, 5.0

#: What pages of other origins may read of a response.
_EXPOSED = (
    "location",
    "mcp-session-id",
    "preference-applied",
    "retry-after",
    "warning",
    "x-request-id",
    "x-should-retry",
)


#: Everything that is served. The order does not matter.
RESOURCES: tuple[Resource, ...] = (
    addresses.RESOURCE,
    anthropic_files.RESOURCE,
    anthropic_models.RESOURCE,
    artifacts.RESOURCE,
    batches.RESOURCE,
    chat.RESOURCE,
    checks.RESOURCE,
    completions.RESOURCE,
    description.RESOURCE,
    discover.RESOURCE,
    embeddings.RESOURCE,
    events.RESOURCE,
    files.RESOURCE,
    generate.RESOURCE,
    health.RESOURCE,
    hub_models.RESOURCE,
    images.RESOURCE,
    jobs.RESOURCE,
    joining.RESOURCE,
    llama_completion.RESOURCE,
    llama_prompts.RESOURCE,
    llama_state.RESOURCE,
    lmstudio_models.RESOURCE,
    lmstudio_text.RESOURCE,
    loaded_models.RESOURCE,
    logs.RESOURCE,
    manager.RESOURCE,
    mcp.RESOURCE,
    message_batches.RESOURCE,
    messages.RESOURCE,
    metrics.RESOURCE,
    models.RESOURCE,
    named_models.RESOURCE,
    ollama_chat.RESOURCE,
    ollama_embed.RESOURCE,
    ollama_models.RESOURCE,
    page.RESOURCE,
    queue.RESOURCE,
    rerank.RESOURCE,
    responses.RESOURCE,
    settings_route.RESOURCE,
    speech.RESOURCE,
    system.RESOURCE,
    transcription.RESOURCE,
    usage.RESOURCE,
    speech_socket.RESOURCE,
    voices.RESOURCE,
    webhooks.RESOURCE,
    workers.RESOURCE,
)


def create_app(settings: Settings | None = None, resources: Sequence[Resource] = RESOURCES) -> FastAPI:
    """The app for these settings, by default those of the environment."""
    settings = settings or load_settings()
    context = Context(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, JobClient]]:
        async with context.job_client() as client:
            announcement = asyncio.create_task(_announce_redis(client, settings.redis_label))
            usual = LiveSettings.of(settings)
            watch = asyncio.create_task(follow(settings.redis_address, usual, apply_log_level))
            counting = asyncio.create_task(context.requests.keep_flushing(client.redis))
            clock = asyncio.create_task(keep_time_zone(client.redis))
            driver = BatchDriver(app, client)
            driver.start()
            app.state.feed = Feed(client, app.state.renderers)
            deliverer = Deliverer(settings, client.redis)
            client.bus.on_news("webhooks", deliverer.tell)
            deliverer.start()
            yield {"jobs": client}
            app.state.feed = None
            await driver.stop()
            await deliverer.stop()
            await end(announcement, watch, counting, clock)

    app = Api(
        title="mlxq",
        version=VERSION,
        summary="One queue for all the AI on a Mac: OpenAI's API in front of MLX models.",
        lifespan=lifespan,
        # FastAPI's own: its spans have queries, which are the client's.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        exception_handlers={HTTPException: handle, RequestValidationError: handle, MlxqError: handle},
        middleware=_middleware(settings, context, resources),
    )
    app.state.settings = settings
    app.state.context = context
    app.state.hub = Hub(settings, context.reach)
    app.state.feed = None
    #: set when the server stops: streams without an end are ended then
    app.state.stopping = asyncio.Event()
    routes = [
        (route, resource.dialect)
        for resource in resources
        for router in resource.routers
        for route in router.routes
    ]
    routes.sort(key=lambda each: greed(each[0]))
    own = [(route, OPENAI) for route in app.router.routes]
    app.router.routes.extend(route for route, _ in routes)
    renderers = (renderer for resource in resources for renderer in resource.renderers)
    app.state.renderers = Renderers(renderers, OPENAI)
    app.state.batching = Batching(resources)
    app.state.addresses = Addresses([*own, *routes], OPENAI)
    return app


def _hosts(settings: Settings) -> tuple[str, ...]:
    """The names that are answered."""
    public = urlsplit(settings.public_url).netloc
    return (*settings.allowed_hosts, *([host_name(public)] if public else []))


def _middleware(settings: Settings, context: Context, resources: Sequence[Resource]) -> list[Middleware]:
    """The outermost first. Errors are rendered inside CORS, so that pages can read them."""
    large = {path: limit(settings) for resource in resources for path, limit in resource.large.items()}
    return [
        Middleware(AccessLog, which=settings.access_log),
        Middleware(Defence),
        Middleware(RequestIds),
        Middleware(Forwarded, trusted=settings.trusted_proxies, public_url=settings.public_url),
        Middleware(Counted, counts=context.requests),
        *([Middleware(Traced)] if settings.traces else []),
        Middleware(Paths),
        Middleware(Heads),
        Middleware(HostGuard, allowed=_hosts(settings), addresses=listens_everywhere(settings.host)),
        Middleware(
            Cors,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"),
            allow_headers=("*",),
            # Chrome asks this of a page on the net that calls the user's own machine.
            allow_private_network=True,
            expose_headers=_EXPOSED,
        ),
        Middleware(ErrorBoundary),
        Middleware(CallerGuard, settings=settings),
        Middleware(BodyLimit, limit=settings.max_body_bytes, larger=large),
        Middleware(Decoding, limit=settings.max_body_bytes, larger=large),
        Middleware(OwnUploads, blobs=context.blobs),
        Middleware(OwnClient, context=context),
    ]


async def _announce_redis(client: JobClient, label: str) -> None:
    """Say that Redis is awaited when it takes long, and then that it is there."""
    clock = asyncio.get_running_loop().time
    speak_at, spoke = clock() + _PATIENCE, False
    while True:
        try:
            await client.redis.ping()
        except (RedisError, OSError) as error:
            if clock() >= speak_at:
                log.warning("Redis at %s is not there yet (%s)", label, type(error).__name__)
                speak_at, spoke = clock() + _REMIND, True
            await asyncio.sleep(_LOOK)
        else:
            if spoke:
                log.info("Redis at %s is there", label)
            with contextlib.suppress(MlxqError):
                if denied := await client.denied():
                    log.error("%s", denied)
            return
