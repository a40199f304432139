"""The events of a job with names and ids, so that a client can continue after a disconnect."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
import orjson
from starlette.requests import HTTPConnection
from starlette.types import Receive

from api.dispatch.artifacts import file_url
from api.dispatch.call import result_of
from api.dispatch.frames import Frames
from api.dispatch.pump import Pump
from api.dispatch.renderers import renderers_of
from api.http.answers.disconnect import while_connected
from api.http.answers.stream import Write
from api.http.context import jobs_of
from api.http.middleware.forwarded import base_of
from api.native.dialect import NATIVE
from jobs.bus import Watch
from jobs.errors import MlxqError
from jobs.events import Completed, Entry, Partial, Preview
from jobs.info import JobInfo

#: What is no client's business, or is shown otherwise.
_HIDDEN = ("type", "blob")


class EventFrames(Frames):
    """Every event is a frame of its own.

    `type` is the event's name and is not repeated in its data. A result has the shape that a call gets; files have
    the addresses where they can be fetched.
    """

    def __init__(self, request: HTTPConnection, info: JobInfo) -> None:
        self._id, self._base = info.id, base_of(request)
        self._renderer = renderers_of(request).find(info.dialect, info.kind)
        self._meta = self._renderer.noted(info.meta)

    async def of(self, entry: Entry) -> bytes:
        event = entry.event
        data: dict[str, object]
        if isinstance(event, Completed):
            answered = self._renderer.answered(self._id, self._meta, result_of(event), self._base)
            data = {"result": self._renderer.body(answered)}
        else:
            told = msgspec.to_builtins(event)
            data = {key: value for key, value in told.items() if key not in _HIDDEN}
        if isinstance(event, Preview | Partial):
            data["url"] = file_url(self._base, self._id, event.artifact)
        return b"id: %s\nevent: %s\ndata: %s\n\n" % (
            entry.id.encode(),
            entry.type.encode(),
            orjson.dumps(data),
        )

    async def end(self, entry: Entry) -> AsyncIterator[bytes]:
        yield await self.of(entry)

    def failed(self, error: MlxqError) -> bytes:
        return NATIVE.error_frame(error)


@dataclass(frozen=True, slots=True)
class JobEvents:
    """Everything after the event `after`, then what comes, until the terminal event.

    A watcher owns nothing: when it leaves, the job goes on.
    """

    request: HTTPConnection
    job_id: str
    after: str

    async def __call__(self, receive: Receive, write: Write) -> None:
        jobs = jobs_of(self.request)
        frames = EventFrames(self.request, await jobs.info(self.job_id))
        async with jobs.watch(self.job_id, self.after) as watch, while_connected(receive):
            await Pump(watch, frames, write, patience=0, wait=Watch.next).run()

    def failed(self, error: MlxqError) -> bytes:
        return NATIVE.error_frame(error)
