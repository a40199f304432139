"""`/v1/messages/batches`: many messages in one request, which are answered in the background."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.anthropic.batches.input import ENDPOINT, BatchInput
from api.anthropic.batches.render import AnthropicBatches, message_batch
from api.anthropic.batches.schema import (
    CreateMessageBatch,
    DeletedMessageBatch,
    MessageBatch,
    MessageBatchList,
    MessageBatchResult,
)
from api.anthropic.dialect import ANTHROPIC
from api.anthropic.route import named
from api.batches.creation import accept, cancelled_batch, may_store, visible_batch
from api.dispatch.resource import Resource
from api.dispatch.stored_content import content_response
from api.http.answers.json_response import json_response
from api.http.context import context_of, jobs_of
from api.http.middleware.forwarded import base_of
from api.http.middleware.security import listed_owner
from api.http.openapi import gives, streams_lines, takes
from jobs.batches import Batch, BatchStore
from jobs.blobs import STORED
from jobs.errors import InvalidRequest, NotFound
from jobs.files import FileStore
from jobs.pages import UnknownCursor

BatchId = Annotated[str, Path(max_length=100)]
Cursor = Annotated[str | None, Query(max_length=100)]

_PREFIX = "msgbatch_"
#: Seconds that a batch has.
_WINDOW = 86_400


router = APIRouter(tags=["messages"], dependencies=[Depends(named)])


@router.post(
    "/v1/messages/batches",
    summary="Answer many messages in the background",
    response_class=Response,
    openapi_extra=takes(CreateMessageBatch) | gives(MessageBatch),
)
async def create_batch(request: Request) -> Response:
    """Their requests are background jobs, a few of them at a time."""
    may_store(request)
    context = context_of(request)
    raw = await request.body()
    settings = context.settings
    sent = await asyncio.to_thread(BatchInput, raw, settings.max_batch_requests, settings.max_body_bytes)
    blob = await context.blobs.put_stream(sent.lines(), STORED)
    try:
        batch = await accept(
            request,
            dialect=ANTHROPIC.name,
            prefix=_PREFIX,
            endpoint=ENDPOINT,
            input_blob=blob,
            seconds=_WINDOW,
            listed=False,
            total=len(sent),
        )
    except BaseException:
        await asyncio.to_thread(context.blobs.delete, blob)
        raise
    return json_response(message_batch(batch, base_of(request)))


@router.get(
    "/v1/messages/batches",
    summary="List batches of messages",
    response_class=Response,
    openapi_extra=gives(MessageBatchList),
)
async def list_batches(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 20,
    before_id: Cursor = None,
    after_id: Cursor = None,
) -> Response:
    """Newest first. `after_id`: older ones than that; `before_id`: newer ones."""
    owner = await listed_owner(request)
    newer = before_id is not None
    try:
        found, more = await BatchStore(jobs_of(request).redis).page(
            ANTHROPIC.name, owner, limit=limit, after=before_id if newer else after_id, oldest_first=newer
        )
    except UnknownCursor as error:
        name = "before_id" if newer else "after_id"
        raise InvalidRequest(f"No batch with id '{error}' to go on from.", param=name) from None
    if newer:
        found.reverse()
    body: MessageBatchList = {
        "data": [message_batch(batch, base_of(request)) for batch in found],
        "has_more": more,
        "first_id": found[0].id if found else None,
        "last_id": found[-1].id if found else None,
    }
    return json_response(body)


@router.get(
    "/v1/messages/batches/{batch_id}",
    summary="A batch of messages",
    response_class=Response,
    openapi_extra=gives(MessageBatch),
)
async def get_batch(request: Request, batch_id: BatchId) -> Response:
    return json_response(message_batch(await _visible(request, batch_id), base_of(request)))


@router.get(
    "/v1/messages/batches/{batch_id}/results",
    summary="The results of a batch of messages",
    response_class=Response,
    openapi_extra=streams_lines(MessageBatchResult),
)
async def get_results(request: Request, batch_id: BatchId) -> Response:
    """Of a batch that has not ended, those that there are. Their order is that of their ends."""
    batch = await _visible(request, batch_id)
    if "output" not in batch.files:
        if batch.status.ended:
            return Response(b"", media_type="application/x-ndjson")
        raise NotFound(f"The batch '{batch.id}' has no results yet.")
    context = context_of(request)
    files = FileStore(jobs_of(request).redis)
    return await content_response(files, context.blobs, batch.files["output"], {}, "application/x-ndjson")


@router.post(
    "/v1/messages/batches/{batch_id}/cancel",
    summary="Cancel a batch of messages",
    response_class=Response,
    openapi_extra=gives(MessageBatch),
)
async def cancel_batch(request: Request, batch_id: BatchId) -> Response:
    """A batch that has ended stays as it is."""
    batch = await cancelled_batch(request, await _visible(request, batch_id))
    return json_response(message_batch(batch, base_of(request)))


@router.delete(
    "/v1/messages/batches/{batch_id}",
    summary="Delete a batch of messages",
    response_class=Response,
    openapi_extra=gives(DeletedMessageBatch),
)
async def delete_batch(request: Request, batch_id: BatchId) -> Response:
    """With its results. One that has not ended must be cancelled first."""
    batch = await _visible(request, batch_id)
    if not await BatchStore(jobs_of(request).redis).drop(batch):
        raise InvalidRequest(f"The batch '{batch.id}' has not ended: cancel it first.")
    body: DeletedMessageBatch = {"id": batch.id, "type": "message_batch_deleted"}
    return json_response(body)


async def _visible(request: Request, batch_id: str) -> Batch:
    return await visible_batch(request, ANTHROPIC.name, batch_id)


RESOURCE = Resource(
    ANTHROPIC,
    routers=(router,),
    batches=AnthropicBatches(),
    large={"/v1/messages/batches": lambda settings: settings.max_message_batch_bytes},
)
