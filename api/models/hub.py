"""Searches on the hub, by huggingface_hub in threads. Its answers are cached.

It knows the hub's lists and no HTTP route. A hub that does not answer is HubUnavailable, whatever the reason. The
threads are its own, and nobody waits for them at the end: a hub that hangs must not keep others from working.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

from cachetools import TTLCache

from api.models.search import PATIENCE, Search
from config.settings import Settings
from jobs.errors import HubUnavailable, ModelNotFound
from mlxq.catalog import is_hub_id
from mlxq.downloads.reach import HubReach

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

    from api.models.hub_client import HubClient

#: How many answers of the hub are kept, and for how many seconds.
_KEPT, _FRESH = 256, 600.0
#: How many answers it is asked for at a time.
_AT_ONCE = 4

Answer = TypeVar("Answer")


class Hub:
    """One per application; used from its event loop."""

    def __init__(
        self, settings: Settings, reach: HubReach, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._reach = reach
        self._client: HubClient | None = None
        self._making = threading.Lock()
        self._room = threading.Semaphore(_AT_ONCE)
        self._answers: TTLCache[Hashable, Any] = TTLCache(_KEPT, _FRESH, timer=clock)
        self._reading = threading.Lock()
        self._asking: dict[Hashable, asyncio.Task[Any]] = {}

    async def search(self, wanted: Search) -> "list[ModelInfo]":
        """Models of the hub, in the order that is wanted. Raises HubUnavailable."""
        return await self._ask(wanted, lambda: self._hub().models(wanted))

    async def model(self, model_id: str) -> "ModelInfo":
        """One model. Raises ModelNotFound and HubUnavailable."""
        if not is_hub_id(model_id):
            raise ModelNotFound(f"Model '{model_id[:200]}' not found", param="model")
        return await self._ask(model_id, lambda: self._hub().model(model_id))

    def _hub(self) -> "HubClient":
        """On a thread of its own."""
        with self._making:
            if self._client is None:
                from api.models.hub_client import HubClient

                self._client = HubClient(self._settings)
            return self._client

    async def _ask(self, what: Hashable, ask: Callable[[], Answer]) -> Answer:
        """The hub's answer, or the one that it gave lately. Who asks the same meanwhile waits for the same answer."""
        with self._reading:
            kept: Answer | None = self._answers.get(what)
        if kept is not None:
            return kept
        task = self._asking.get(what)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            task = asyncio.create_task(self._fetch(what, ask))
            self._asking[what] = task
            task.add_done_callback(lambda done: self._forget(what, done))
        return await asyncio.shield(task)

    def _forget(self, what: Hashable, task: "asyncio.Task[Any]") -> None:
        if self._asking.get(what) is task:
            del self._asking[what]
        if not task.cancelled():
            task.exception()  # whoever asked has been told, or has left

    async def _fetch(self, what: Hashable, ask: Callable[[], Answer]) -> Answer:
        if self._settings.hf_hub_offline:
            raise HubUnavailable("The model hub is offline: HF_HUB_OFFLINE is set.", retry_after=60)
        if (lost := self._reach.lost) is not None:
            raise lost
        try:
            async with asyncio.timeout(2 * PATIENCE):
                answer = await self._in_thread(ask)
        except TimeoutError as error:
            self._reach.tell(answers=False)
            raise HubUnavailable.because(error) from error
        except HubUnavailable as error:
            if error.out_of_reach:
                self._reach.tell(answers=False)
            raise
        self._reach.tell(answers=True)
        with self._reading:
            self._answers[what] = answer
        return answer

    def _in_thread(self, ask: Callable[[], Answer]) -> "asyncio.Future[Answer]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()

        def deliver(answer: Answer | None, error: Exception | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(answer)  # type: ignore[arg-type]  # it is there without an error

        def work() -> None:
            answer, failure = None, None
            with self._room:
                try:
                    answer = ask()
                except Exception as error:  # it is raised where the answer is awaited
                    failure = error
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(deliver, answer, failure)

        threading.Thread(target=work, name="hub", daemon=True).start()
        return future
