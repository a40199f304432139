"""A job's events as they are: named, with ids, so that a client can go on where it was cut off."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
import orjson
from starlette.types import Receive

from api.dispatch.artifacts import file_url
from api.dispatch.frames import Frames
from api.dispatch.pump import Pump
from api.dispatch.renderers import answer
from api.http.disconnect import while_connected
from api.http.stream import Write
from api.native.dialect import NATIVE
from jobs.bus import Watch
from jobs.client import JobClient
from jobs.errors import MlxqError
from jobs.events import Completed, Entry, Partial, Preview
from jobs.info import JobInfo

#: What is no client's business, or is shown otherwise.
_HIDDEN = ("type", "blob")


def frame(entry: Entry, info: JobInfo, base: str) -> bytes:
    """`type` is the event's name and is not repeated in its data. A result has the shape that a call gets; files
    have the addresses where they can be fetched.
    """
    event = entry.event
    data: dict[str, object]
    if isinstance(event, Completed):
        result = msgspec.json.decode(event.result)
        data = {"result": answer(info.kind, info.id, info.meta, result, base)}
    else:
        told = msgspec.to_builtins(event)
        data = {key: value for key, value in told.items() if key not in _HIDDEN}
    if isinstance(event, Preview | Partial):
        data["url"] = file_url(base, info.id, event.artifact)
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (
        entry.id.encode(),
        entry.type.encode(),
        orjson.dumps(data),
    )


class _EventFrames(Frames):
    """Every event is a frame of its own."""

    def __init__(self, info: JobInfo, base: str) -> None:
        self._info, self._base = info, base

    async def of(self, entry: Entry) -> bytes:
        return frame(entry, self._info, self._base)

    async def end(self, entry: Entry) -> AsyncIterator[bytes]:
        yield frame(entry, self._info, self._base)

    def failed(self, error: MlxqError) -> bytes:
        return NATIVE.error_frame(error)


@dataclass(frozen=True, slots=True)
class JobEvents:
    """Everything after the event `after`, then what comes, until the terminal event.

    A watcher owns nothing: when it leaves, the job goes on.
    """

    jobs: JobClient
    job_id: str
    after: str
    base: str

    async def __call__(self, receive: Receive, write: Write) -> None:
        frames = _EventFrames(await self.jobs.info(self.job_id), self.base)
        async with self.jobs.watch(self.job_id, self.after) as watch, while_connected(receive):
            await Pump(watch, frames, write, patience=0, wait=Watch.next).run()

    def failed(self, error: MlxqError) -> bytes:
        return NATIVE.error_frame(error)
