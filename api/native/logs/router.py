"""`GET /v1/logs`: the last lines of the logs of all processes, and those that come."""

import asyncio
import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.types import Receive

from api.dispatch.resource import Resource
from api.http.answers.disconnect import while_connected
from api.http.answers.json_response import json_response
from api.http.answers.sse import HEADERS, comment
from api.http.answers.stream import StreamResponse, Write
from api.http.context import jobs_of
from api.http.middleware.security import at_the_machine
from api.http.openapi import gives, streams
from api.native.dialect import NATIVE
from api.native.logs.schema import LogEntries, LogEntry
from jobs.client import JobClient
from jobs.errors import MlxqError
from jobs.shared_log import MOST, LogLine, last_lines, lines_after

router = APIRouter(tags=["system"], dependencies=[Depends(at_the_machine)])

#: Seconds between two looks, and without a line after which a comment is sent.
_TICK, _HEARTBEAT = 0.5, 4.0
#: Lines that are read in one go.
_PIECE = 200

_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class _Tail:
    """The last `most` lines, or those after `after`, then what comes."""

    jobs: JobClient
    most: int
    after: str
    stopping: asyncio.Event

    async def __call__(self, receive: Receive, write: Write) -> None:
        redis = self.jobs.redis
        lines = [] if self.after else await last_lines(redis, self.most)
        last = lines[-1].id if lines else self.after or "0-0"
        await write(_frames(lines) or comment("alive"))
        silent = 0.0
        async with while_connected(receive):
            while not self.stopping.is_set():
                lines = await lines_after(redis, last, _PIECE)
                if lines:
                    last, silent = lines[-1].id, 0.0
                    await write(_frames(lines))
                    continue
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.stopping.wait(), _TICK)
                silent += _TICK
                if silent >= _HEARTBEAT:
                    silent = 0.0
                    await write(comment("alive"))

    def failed(self, error: MlxqError) -> bytes:
        return NATIVE.error_frame(error)


@router.get(
    "/v1/logs",
    summary="The last lines of the logs of all processes",
    response_class=Response,
    openapi_extra=gives(LogEntries) | streams(LogEntry),
)
async def logs(
    request: Request,
    lines: Annotated[int, Query(ge=1, le=MOST, description="Lines at most.")] = 200,
    follow: Annotated[bool, Query(description="A stream of events that goes on with each new line.")] = False,
) -> Response:
    """Of the API, the workers and downloads, also on other machines. A stream resumes by `Last-Event-ID`."""
    jobs = jobs_of(request)
    if follow:
        seen = request.headers.get("last-event-id", "")
        after = seen if _ID.fullmatch(seen) else ""
        return StreamResponse(_Tail(jobs, lines, after, request.app.state.stopping), HEADERS)
    found = await last_lines(jobs.redis, lines)
    body: LogEntries = {"object": "list", "data": [_entry(line) for line in found]}
    return json_response(body)


def _frames(lines: Iterable[LogLine]) -> bytes:
    return b"".join(
        b"id: %s\nevent: line\ndata: %s\n\n" % (line.id.encode(), orjson.dumps(_entry(line)))
        for line in lines
    )


def _entry(line: LogLine) -> LogEntry:
    return {
        "id": line.id,
        "time": line.time,
        "level": line.level,
        "process": line.process,
        "text": line.text,
    }


RESOURCE = Resource(NATIVE, routers=(router,))
