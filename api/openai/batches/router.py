"""`/v1/batches`: many requests in a file, which are answered in the background."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.batches.batching import batching_of
from api.batches.creation import accept, cancelled_batch, may_store, visible_batch
from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.bodies.body import read_body
from api.http.callers.caller import caller_of
from api.http.context import jobs_of
from api.http.middleware.security import listed_owner
from api.http.openapi import gives, takes
from api.openai.batches.render import OpenAiBatches, batch_object
from api.openai.batches.schema import BatchList, BatchObject, CreateBatch, window_seconds
from api.openai.dialect import OPENAI
from jobs.batches import BatchStatus, BatchStore
from jobs.errors import Conflict, InvalidRequest, NotFound
from jobs.files import FileStore
from jobs.pages import UnknownCursor

router = APIRouter(tags=["batches"])

BatchId = Annotated[str, Path(max_length=100)]

_PREFIX = "batch_"
#: Addresses of other dialects take part in their own batches.
_ENDPOINTS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/images/edits",
    "/v1/images/generations",
    "/v1/responses",
)


@router.post(
    "/v1/batches",
    summary="Answer the requests of a file",
    response_class=Response,
    openapi_extra=takes(CreateBatch) | gives(BatchObject),
)
async def create_batch(request: Request) -> Response:
    """The file is checked first. Its requests are background jobs, a few of them at a time."""
    may_store(request)
    body = await read_body(request, CreateBatch)
    wanted = body.value
    if wanted.endpoint not in _ENDPOINTS or wanted.endpoint not in batching_of(request).endpoints:
        raise InvalidRequest(
            f"Invalid 'endpoint': it is one of {', '.join(_ENDPOINTS)}.",
            param="endpoint",
            code="invalid_value",
        )
    files = FileStore(jobs_of(request).redis)
    record = await files.get(wanted.input_file_id)
    parts = await files.parts(wanted.input_file_id)
    if record is None or not parts or not caller_of(request).sees(record.owner):
        raise NotFound(f"No file with id '{wanted.input_file_id}'.", param="input_file_id")
    if record.purpose != "batch" or len(parts) > 1:
        raise InvalidRequest(
            f"The file has the purpose '{record.purpose}'; one for a batch has 'batch'.",
            param="input_file_id",
            code="invalid_value",
        )
    batch = await accept(
        request,
        dialect=OPENAI.name,
        prefix=_PREFIX,
        endpoint=wanted.endpoint,
        input_blob=parts[0].blob,
        seconds=window_seconds(wanted.completion_window),
        window=wanted.completion_window,
        input_file=record.id,
        output_ttl=wanted.output_ttl,
        metadata=wanted.metadata,
        webhook=wanted.hook,
    )
    return json_response(batch_object(batch), headers=body.headers)


@router.get("/v1/batches", summary="List batches", response_class=Response, openapi_extra=gives(BatchList))
async def list_batches(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, Query(max_length=100, description="The last id of the page before.")] = None,
) -> Response:
    """Newest first."""
    owner = await listed_owner(request)
    store = BatchStore(jobs_of(request).redis)
    try:
        found, more = await store.page(OPENAI.name, owner, limit=limit, after=after)
    except UnknownCursor:
        raise InvalidRequest(f"No batch with id '{after}' to go on after.", param="after") from None
    body: BatchList = {
        "object": "list",
        "data": [batch_object(batch) for batch in found],
        "first_id": found[0].id if found else None,
        "last_id": found[-1].id if found else None,
        "has_more": more,
    }
    return json_response(body)


@router.get(
    "/v1/batches/{batch_id}", summary="A batch", response_class=Response, openapi_extra=gives(BatchObject)
)
async def get_batch(request: Request, batch_id: BatchId) -> Response:
    return json_response(batch_object(await visible_batch(request, OPENAI.name, batch_id)))


@router.post(
    "/v1/batches/{batch_id}/cancel",
    summary="Cancel a batch",
    response_class=Response,
    openapi_extra=gives(BatchObject),
)
async def cancel_batch(request: Request, batch_id: BatchId) -> Response:
    """What was answered by then is in the output file. 409 when it has already ended."""
    batch = await visible_batch(request, OPENAI.name, batch_id)
    batch = await cancelled_batch(request, batch)
    if batch.status not in (BatchStatus.CANCELLING, BatchStatus.CANCELLED):
        raise Conflict(f"The batch '{batch.id}' can't be cancelled: it is {batch.status.value}.")
    return json_response(batch_object(batch))


RESOURCE = Resource(OPENAI, routers=(router,), batches=OpenAiBatches())
