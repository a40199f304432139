"""`GET /v1/events`: what all jobs, queues and workers do, as it happens."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.types import Receive

from api.dispatch.renderers import renderers_of
from api.dispatch.resource import Resource
from api.http.answers.disconnect import while_connected
from api.http.answers.sse import HEADERS
from api.http.answers.stream import StreamResponse, Write
from api.http.callers.caller import Caller, caller_of
from api.http.context import jobs_of
from api.http.middleware.security import at_the_machine
from api.http.openapi import streams
from api.native.dialect import NATIVE
from api.native.events.feed import Feed
from api.native.events.schema import ServerEvent
from jobs.errors import MlxqError

router = APIRouter(tags=["jobs"])


@dataclass(frozen=True, slots=True)
class _Following:
    feed: Feed
    caller: Caller
    after: str

    async def __call__(self, receive: Receive, write: Write) -> None:
        async with while_connected(receive):
            await self.feed.follow(self.caller, self.after, write)

    def failed(self, error: MlxqError) -> bytes:
        return NATIVE.error_frame(error)


@router.get(
    "/v1/events",
    summary="What all jobs, queues and workers do, as it happens",
    response_class=Response,
    openapi_extra=streams(ServerEvent),
)
async def events(
    request: Request,
    after: Annotated[
        str | None, Query(max_length=100, description="The last event id seen; `Last-Event-ID` wins.")
    ] = None,
) -> Response:
    """The first event is a snapshot, unless the client goes on after an event that it has seen."""
    caller = caller_of(request)
    if caller.sees_all:
        await at_the_machine(request)
    seen = request.headers.get("last-event-id") or after or ""
    return StreamResponse(_Following(_feed(request), caller, seen), HEADERS)


def _feed(request: Request) -> Feed:
    """That of this process. An in-process test client has a job client, and so a feed, for each request."""
    jobs, feed = jobs_of(request), request.app.state.feed
    return feed if feed is not None and feed.jobs is jobs else Feed(jobs, renderers_of(request))


RESOURCE = Resource(NATIVE, routers=(router,))
