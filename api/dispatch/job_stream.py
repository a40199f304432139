"""Streams a job to one client, and parts with it when the client disconnects."""

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from api.dispatch.call import call
from api.dispatch.delivery import Delivery
from api.dispatch.frames import Frames
from api.dispatch.pump import Pump
from api.http.answers.stream import StreamResponse, Write
from api.http.answers.warning import with_noted
from api.http.context import jobs_of
from jobs.client import Submission
from jobs.errors import MlxqError
from jobs.gate import Parting
from jobs.request import JobRequest

#: Begins the frames of the job that was accepted.
MakeFrames = Callable[[Submission], Frames]


class _JobStream:
    def __init__(self, request: Request, job: JobRequest, make: MakeFrames, *, keep: bool) -> None:
        self._request, self._job, self._make, self._keep = request, job, make, keep
        self._frames: Frames | None = None
        self.delivery = Delivery(request, Parting.KEPT if keep else Parting.LEFT) if job.linger else None

    async def __call__(self, receive: Receive, write: Write) -> None:
        request = self._request
        running = call(jobs_of(request), self._job, receive, keep=self._keep, delivery=self.delivery)
        async with running as (accepted, watch):
            request.state.request_id = accepted.job_id
            self._frames = self._make(accepted)
            await Pump(watch, self._frames, write, size=self._job.size).run()

    def failed(self, error: MlxqError) -> bytes | None:
        return None if self._frames is None else self._frames.failed(error)


def stream(
    request: Request,
    job: JobRequest,
    make: MakeFrames,
    headers: Mapping[str, str],
    *,
    content: Mapping[str, str] = Frames.headers,
    keep: bool = False,
) -> Response:
    """`content`: the headers of what `make` makes. `keep`: the job goes on when its client leaves."""
    streamed = _JobStream(request, job, make, keep=keep)
    background = None if streamed.delivery is None else streamed.delivery.task
    return StreamResponse(streamed, {**content, **with_noted(request, headers)}, background)
