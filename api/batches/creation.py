"""Accepts batches, and finds those that a caller may see. It does not know dialects."""

import secrets
from collections.abc import Mapping

from starlette.requests import Request

from api.batches.batching import batching_of
from api.http.callers.app_name import app_name
from api.http.callers.caller import Rights, caller_of
from api.http.context import context_of, jobs_of
from api.http.job_options.webhook import Hook, webhook_of
from api.http.middleware.forwarded import base_of
from jobs.batches import Asked, Batch, BatchStore
from jobs.errors import NotFound, QueueFull
from jobs.redis.clock import CLOCK

#: Seconds after which a client that was refused asks again.
_LATER = 60


def may_store(request: Request) -> None:
    """Raises Forbidden for pages of other origins: what is stored takes the user's disk."""
    caller_of(request).need(Rights.USE_INSTALLED, "Files and batches are kept on this machine's disk;")


async def accept(
    request: Request,
    *,
    dialect: str,
    prefix: str,
    endpoint: str,
    input_blob: str,
    seconds: int,
    window: str = "24h",
    input_file: str = "",
    listed: bool = True,
    output_ttl: int | None = None,
    metadata: Mapping[str, str] | None = None,
    total: int | None = None,
    webhook: Hook | None = None,
) -> Batch:
    """A batch of this caller, which is driven from now on for `seconds` at most. Raises QueueFull."""
    caller, now = caller_of(request), int(CLOCK.now())
    asked = Asked(
        id=f"{prefix}{secrets.token_hex(12)}",
        dialect=dialect,
        endpoint=endpoint,
        input_blob=input_blob,
        created_at=now,
        expires_at=now + seconds,
        owner=caller.owner,
        sees_all=caller.sees_all,
        rights=int(caller.rights),
        limit=None if caller.limit is None else caller.limit.name,
        app=app_name(request),
        base=base_of(request),
        window=window,
        input_file=input_file,
        listed=listed,
        output_ttl=output_ttl,
        metadata=None if metadata is None else dict(metadata),
        webhook=webhook_of(request, webhook, "batch"),
    )
    store, most = BatchStore(jobs_of(request).redis), context_of(request).settings.max_batches
    if not await store.create(asked, most, total=total):
        raise QueueFull(
            f"{most} batches are open, which is the most (MAX_BATCHES). Try again later.", retry_after=_LATER
        )
    batching_of(request).tell()
    request.state.request_id = asked.id
    found = await store.get(asked.id)
    assert found is not None
    return found


async def visible_batch(request: Request, dialect: str, batch_id: str) -> Batch:
    """Raises NotFound where there is none, or it is of another dialect or key."""
    found = await BatchStore(jobs_of(request).redis).get(batch_id)
    if found is None or found.asked.dialect != dialect or not caller_of(request).sees(found.asked.owner):
        raise NotFound(f"No batch with id '{batch_id[:100]}'.")
    return found


async def cancelled_batch(request: Request, batch: Batch) -> Batch:
    """The batch after it was cancelled, if it could be."""
    await BatchStore(jobs_of(request).redis).cancel(batch.id)
    batching_of(request).tell()
    return await visible_batch(request, batch.asked.dialect, batch.id)
