"""A job's events as they are: named, with ids, so that a client can go on where it was cut off."""

import asyncio
from dataclasses import dataclass

import msgspec
import orjson
from starlette.types import Receive

from api.dispatch.artifacts import file_url
from api.dispatch.renderers import answer
from api.http.disconnect import while_connected
from api.http.sse import HEARTBEAT, Heartbeat, Write
from jobs.bus import Watch
from jobs.client import JobClient
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
        info = await self.jobs.info(self.job_id)
        async with self.jobs.watch(self.job_id, self.after) as watch, while_connected(receive):
            await self._tell(info, watch, write)

    async def _tell(self, info: JobInfo, watch: Watch, write: Write) -> None:
        clock = asyncio.get_running_loop().time
        heart = Heartbeat(watch)
        due = clock()
        entry: Entry | None = None
        while True:
            frames = []
            while entry is not None or (entry := watch.pending()):
                heart.hear(entry.event)
                frames.append(frame(entry, info, self.base))
                if entry.terminal:
                    await write(b"".join(frames))
                    return
                entry = None
            if not frames and clock() >= due:
                frames = [heart.beat()]
            if frames:
                await write(b"".join(frames))
                due = clock() + HEARTBEAT
            entry = await watch.next(max(0.0, due - clock()))
