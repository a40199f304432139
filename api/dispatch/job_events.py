"""A job's events as they are: named, with ids, so that a client can go on where it was cut off."""

import asyncio
from dataclasses import dataclass

import orjson
from starlette.types import Receive

from api.dispatch.artifacts import file_url
from api.dispatch.renderers import answer
from api.http.disconnect import while_connected
from api.http.sse import HEARTBEAT, Heartbeat, Write
from jobs.bus import Watch
from jobs.client import JobClient
from jobs.info import JobInfo
from jobs.status import Event

#: What is no client's business, or said otherwise.
_HIDDEN = ("type", "blob")


def frame(event: Event, info: JobInfo, base: str) -> bytes:
    """`type` is the event's name and is not repeated in its data. A result has the shape that a call gets; files
    have the addresses where they can be fetched.
    """
    data = {key: value for key, value in event.data.items() if key not in _HIDDEN}
    if "artifact" in data:
        data["url"] = file_url(base, info.id, data["artifact"])
    if "result" in data:
        data["result"] = answer(info.kind, info.id, info.meta, data["result"], base)
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (
        event.id.encode(),
        event.type.encode(),
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
        event: Event | None = None
        while True:
            frames = []
            while event is not None or (event := watch.pending()):
                heart.hear(event)
                frames.append(frame(event, info, self.base))
                if event.terminal:
                    await write(b"".join(frames))
                    return
                event = None
            if not frames and clock() >= due:
                frames = [heart.beat()]
            if frames:
                await write(b"".join(frames))
                due = clock() + HEARTBEAT
            event = await watch.next(max(0.0, due - clock()))
