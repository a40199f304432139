"""Detects a client that disconnects: ClientGone interrupts the work for its request."""

import asyncio
from types import TracebackType

from starlette.types import Receive

from jobs.errors import MlxqError


class ClientGone(MlxqError):
    """The client closed its connection before the answer. This error is never sent."""

    status = 499
    code = "client_closed_request"
    type = "invalid_request_error"


class while_connected:
    """`async with while_connected(receive): …` raises ClientGone from the body when the client disconnects.

    The request's body must have been read. A cancellation from elsewhere (the server stops) passes through.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._listener = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.cancel()
        if not self._gone:
            return
        # The cancellation ends here, unless there was another one.
        if self._task.uncancel() == 0 and (kind is None or issubclass(kind, asyncio.CancelledError)):
            raise ClientGone("The client has left.") from None
