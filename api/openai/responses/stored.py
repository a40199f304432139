"""What can be asked of a stored response: its state, its stream, its input; to cancel and to delete it."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.types import Receive
from typing_extensions import TypedDict

from api.dispatch.call import ending_error, next_event
from api.dispatch.pump import Pump
from api.http.answers.disconnect import while_connected
from api.http.answers.json_response import json_response
from api.http.answers.sse import HEADERS
from api.http.answers.stream import StreamResponse, Write
from api.http.context import jobs_of
from api.http.openapi import gives, streams
from api.openai.responses import answer
from api.openai.responses.events import ResponseEvent
from api.openai.responses.frames import ResponseFrames
from api.openai.responses.input_list import ResponseInputList, listed
from api.openai.responses.render import Rendered
from api.openai.responses.store import Stored, input_of, stored
from jobs.bus import Watch
from jobs.errors import Conflict, InvalidRequest, MlxqError
from jobs.info import ending
from jobs.kept import has_events
from jobs.status import JobStatus

router = APIRouter(tags=["responses"])

ResponseId = Annotated[str, Path(max_length=100)]

#: Seconds that a running response is waited for when it was cancelled.
_GRACE = 5.0


class DeletedResponse(TypedDict):
    id: str
    object: Literal["response"]
    deleted: bool


@router.get(
    "/v1/responses/{response_id}",
    summary="A response as it stands, or its stream",
    response_class=Response,
    openapi_extra=gives(answer.Response) | streams(ResponseEvent),
)
async def get_response(
    request: Request,
    response_id: ResponseId,
    stream: bool = False,
    starting_after: Annotated[int | None, Query(ge=0, description="The last event that was seen.")] = None,
) -> Response:
    """With `stream`, all events from the first, or those after `starting_after`, and then what comes."""
    found = await stored(request, response_id)
    if not stream:
        return json_response(_standing(found))
    return StreamResponse(_Again(request, found, starting_after), HEADERS)


@router.delete(
    "/v1/responses/{response_id}",
    summary="Delete a response",
    response_class=Response,
    openapi_extra=gives(DeletedResponse),
)
async def delete_response(request: Request, response_id: ResponseId) -> Response:
    """One that is not made yet is cancelled. What goes on from it can't be continued any more."""
    found = await stored(request, response_id)
    if not await _ended(request, found):
        raise Conflict("The response is still being made: try again in a moment.")
    await jobs_of(request).let_go(found.info.id, found.info.queue, after=0)
    body: DeletedResponse = {"id": response_id, "object": "response", "deleted": True}
    return json_response(body)


@router.post(
    "/v1/responses/{response_id}/cancel",
    summary="Cancel a response",
    response_class=Response,
    openapi_extra=gives(answer.Response),
)
async def cancel_response(request: Request, response_id: ResponseId) -> Response:
    """One that has ended stays as it is."""
    await _ended(request, await stored(request, response_id))
    return json_response(_standing(await stored(request, response_id)))


@router.get(
    "/v1/responses/{response_id}/input_items",
    summary="The items that a response was asked with",
    response_class=Response,
    openapi_extra=gives(ResponseInputList),
)
async def input_items(
    request: Request,
    response_id: ResponseId,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    after: Annotated[str | None, Query(max_length=200, description="The last id of the page before.")] = None,
) -> Response:
    """Its own, without those of the responses before it."""
    await stored(request, response_id)
    items = await input_of(request, response_id)
    return json_response(listed(items, limit=limit, newest_first=order == "desc", after=after))


async def standing(request: Request, response_id: str) -> answer.Response:
    """The response as it stands."""
    return _standing(await stored(request, response_id))


def _standing(found: Stored) -> answer.Response:
    info, rendered = found.info, Rendered(found.info.id, found.meta)
    last = ending(info) if info.status.terminal else None
    if last is None:
        return rendered.response("queued" if info.status is JobStatus.QUEUED else "in_progress", [])
    if found.result is not None:
        return rendered.answered(found.result, int(last.id.partition("-")[0]) // 1000)
    return rendered.failed(ending_error(last.event), [])


async def _ended(request: Request, found: Stored) -> bool:
    """Whether the response has ended, now that it was cancelled."""
    if found.info.status.terminal:
        return True
    jobs = jobs_of(request)
    async with jobs.watch(found.info.id) as watch, while_connected(request.receive):
        try:
            await jobs.cancel(found.info.id)
            async with asyncio.timeout(_GRACE):
                while (entry := await next_event(watch, None)) is not None and not entry.terminal:
                    pass
        except Conflict:
            return True
        except TimeoutError:
            return False
    return True


@dataclass(frozen=True, slots=True)
class _Again:
    """The stream of a response, from the events that its job has kept. Who reads it owns nothing."""

    request: Request
    found: Stored
    after: int | None

    async def __call__(self, receive: Receive, write: Write) -> None:
        info = self.found.info
        frames = ResponseFrames(info.id, self.found.meta, after=-1 if self.after is None else self.after)
        jobs = jobs_of(self.request)
        async with jobs.watch(info.id) as watch, while_connected(receive):
            if self.after is not None and info.status.terminal and not await has_events(jobs.redis, info.id):
                raise InvalidRequest(
                    "The events of this response are not kept any more: get it without 'stream'.",
                    param="starting_after",
                )
            await Pump(watch, frames, write, patience=0, wait=Watch.next).run()

    def failed(self, error: MlxqError) -> bytes:
        return ResponseFrames(self.found.info.id, self.found.meta).failed(error)
