"""Of one answer: tells the jobs whether its client has got all of it, after it was sent."""

from starlette.background import BackgroundTask
from starlette.requests import Request

from api.http.context import jobs_of
from api.http.server.arrival import arrived
from jobs.bus import Watch
from jobs.gate import Parting


class Delivery:
    """`call` hands over its client's watch when the job has ended; the response runs `task` behind the answer."""

    def __init__(self, request: Request, parting: Parting) -> None:
        """`parting`: how the client parts with the job where the answer does not arrive."""
        self._request = request
        self._parting = parting
        self._watch: Watch | None = None

    @property
    def task(self) -> BackgroundTask:
        return BackgroundTask(self._settle)

    def expect(self, watch: Watch) -> None:
        """The job of this watch has ended, and its answer is about to be sent."""
        self._watch = watch

    async def fail(self) -> None:
        """The answer can't be sent."""
        if self._watch is not None:
            await jobs_of(self._request).part(self._watch, self._parting)

    async def _settle(self) -> None:
        if self._watch is not None and arrived(self._request.scope):
            jobs_of(self._request).deliver(self._watch)
        else:
            await self.fail()
