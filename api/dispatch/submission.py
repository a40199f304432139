"""Makes a JobRequest from a validated request: owner, identity, time limits."""

import asyncio
import hashlib
import time

import msgspec
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from api.dispatch.renderers import renderers_of
from api.dispatch.slots import present
from api.http.answers.warning import warn
from api.http.bodies.uploads import uploads_of
from api.http.callers.app_name import app_name, share_name
from api.http.callers.caller import Rights, caller_of
from api.http.context import Context, context_of, jobs_of
from api.http.job_options.prefer import Preference, is_retry, read_timeout, wants_fresh
from api.http.job_options.service_class import Ranked, class_of
from api.http.job_options.webhook import webhook_of
from api.http.middleware.security import caller_key
from api.http.routes.dialect import Dialect
from jobs.client import JobClient
from jobs.errors import InvalidRequest
from jobs.eta.work import most_tokens, work_of
from jobs.kinds import KINDS, Category, Kind
from jobs.meta import Meta
from jobs.payloads import Payload
from jobs.prefix import beginning_of
from jobs.request import Attach, JobRequest, new_job_id
from mlxq.catalog import ModelRef
from mlxq.downloads.request import download_request

#: Longest Idempotency-Key, as Stripe has it.
_LONGEST_KEY = 255
#: Letters of the digest of a chat's beginning.
_PREFIX = 16


async def model_of(
    request: HTTPConnection, name: str, category: Category = Category.LLM, adapters: str | None = None
) -> ModelRef:
    """The model that a request names, if its caller may use it now.

    What another model is to tell in its place is noted for the response. Raises ModelNotFound, InvalidRequest,
    Forbidden and HubUnavailable.
    """
    context, jobs, caller = context_of(request), jobs_of(request), caller_of(request)
    ref = await context.resolve(jobs, name, category, adapters)
    if caller.rights < Rights.USE_ANY and ref.instead is not None:
        ref = ref.instead
    if caller.rights < Rights.USE_ANY and not ref.installed:
        caller.need(Rights.USE_ANY, f"The model '{name}' is not installed and would be fetched;")
    ref = await context.at_hand(ref)
    if caller.rights < Rights.USE_INSTALLED and not await _is_ready(context, jobs, ref, category):
        caller.need(Rights.USE_INSTALLED, f"The model '{name}' is not in memory and would be loaded;")
    if ref.note:
        warn(request, ref.note)
    return ref


async def _is_ready(context: Context, jobs: JobClient, ref: ModelRef, category: Category) -> bool:
    """Whether the model is in memory, or is the one that a setting keeps there."""
    catalog = await context.models.catalog(jobs)
    own = await asyncio.to_thread(catalog.chosen, category)
    return (own is not None and own.id == ref.id) or ref.id in await present(jobs)


def job_request(
    request: HTTPConnection,
    *,
    dialect: Dialect,
    kind: Kind,
    model: str | ModelRef,
    payload: Payload,
    meta: Meta,
    preference: Preference,
    category: Category | None = None,
    asked: Ranked | None = None,
    stream: bool = False,
    priority: int = 0,
    kept: str = "",
    identity: bytes = b"",
    worker: str = "",
) -> JobRequest:
    """The job for this request. Raises InvalidRequest for a bad Idempotency-Key or priority.

    Requests that ask for the same have the same payload, and the same `identity` where that is not all; in which form
    they want the answer does not count.
    `category` is that of the model, for kinds that have no queue of their own. `meta` is noted with the time of now.
    `asked` is the body, for its class, its webhook and its session; what it leaves out, headers, settings and the
    kind decide. `worker` is the only one that may take it.

    A model that is only on a hub is fetched first, by a job that this one waits for.
    """
    renderer = renderers_of(request)[dialect.name, kind]
    headers, needs = request.headers, None
    queue = KINDS[kind].queue or category
    if queue is None:
        raise ValueError(f"a job of kind '{kind}' needs the category of its model")
    settings, app, owner = context_of(request).settings, app_name(request), caller_of(request).owner
    if isinstance(model, ModelRef):
        if not model.installed:
            caller_of(request).need(Rights.USE_ANY)
            needs = download_request(settings, model.base_id, app=app, owner=owner)
        model = model.id
    linger = settings.linger_time if KINDS[kind].uses_model else 0.0
    caller = caller_key(headers) or (request.client.host if request.client else "")
    # A stream's heartbeats keep its client: only a silent wait can outlast a read timeout.
    patience = read_timeout(headers) if preference.synchronous and not stream else None
    hook = webhook_of(request, None if asked is None else asked.hook, renderer.family)
    uploads = uploads_of(request)
    encoded = uploads.by_content(msgspec.json.encode(payload))
    beginning = beginning_of(payload)
    return JobRequest(
        id=new_job_id(kind, renderer.prefix),
        queue=queue,
        kind=kind,
        model=model,
        payload=payload,
        timeout=KINDS[kind].timeout(settings),
        max_run_time=settings.max_run_time,
        stream=stream,
        dialect=dialect.name,
        expires_in=patience,
        app=app,
        owner=owner,
        idempotency_scope=_idempotency_scope(headers.get("idempotency-key"), caller),
        fingerprint=_digest(
            *(part.encode() for part in (caller, dialect.name, kind, queue, model)),
            encoded,
            identity,
            *([hook.encode().encode()] if hook else []),
        ),
        attach=_attach(headers, linger),
        linger=linger,
        seeded=getattr(payload, "seed", None) is not None,
        needs=needs,
        service_class=class_of(
            headers, kind, preference, stream=stream, asked=None if asked is None else asked.service_class
        ),
        share=share_name(request, owner, None if asked is None else asked.prompt_cache_key),
        priority=priority,
        work=work_of(payload, len(encoded)),
        most_tokens=most_tokens(payload),
        size=len(encoded),
        meta=msgspec.structs.replace(meta, created=int(time.time())),
        kept=kept,
        trace=getattr(request.state, "trace", ""),
        webhook=hook,
        prefix=_digest(model.encode(), uploads.by_content(beginning))[:_PREFIX] if beginning else "",
        worker=worker,
        uploads=uploads,
    )


def _attach(headers: Headers, linger: float) -> Attach:
    """Which earlier job a request may mean."""
    if is_retry(headers):
        return Attach.RETRY
    return Attach.LEFT if linger and not wants_fresh(headers) else Attach.NEVER


def _idempotency_scope(key: str | None, caller: str) -> str | None:
    if key is None:
        return None
    if not 1 <= len(key) <= _LONGEST_KEY:
        raise InvalidRequest(
            f"An Idempotency-Key has 1 to {_LONGEST_KEY} characters.", param="Idempotency-Key"
        )
    return _digest(caller.encode(), key.encode())


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()
