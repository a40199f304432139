"""What the hub has to offer: searches by huggingface_hub in threads, whose answers are kept for a while.

It knows the hub's lists and no HTTP route. A hub that does not answer is HubUnavailable, whatever the reason. The
threads are its own, and nobody waits for them at the end: a hub that hangs must not keep others from working.
"""

import asyncio
import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import httpx
from huggingface_hub import HfApi, set_client_factory
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
)
from huggingface_hub.hf_api import ModelInfo

from config import VERSION
from config.catalog import is_hub_id
from config.settings import Settings
from jobs.errors import ModelNotFound, ServiceUnavailable

Sort = Literal["created_at", "downloads", "last_modified", "likes", "trending_score"]

#: Seconds that an answer of the hub holds, and how many are kept.
_FRESH = 600.0
_KEPT = 256
#: Seconds that the hub has for one answer, and how many it is asked for at a time.
_PATIENCE = 15.0
_AT_ONCE = 4
#: What mlxq wants to know of each model of a list.
_FIELDS: Any = [
    *("author", "createdAt", "downloads", "lastModified", "library_name", "likes"),
    *("pipeline_tag", "safetensors", "tags", "trendingScore", "usedStorage"),
]
_ONE: Any = [*_FIELDS, "gated"]

Answer = TypeVar("Answer")


class HubUnavailable(ServiceUnavailable):
    """The hub is offline, out of reach, or does not want to answer now."""

    code = "hub_unavailable"


@dataclass(frozen=True, slots=True)
class Search:
    """A list that is wanted of the hub: `tags` are those that a model must have, all of them."""

    query: str = ""
    sort: Sort = "downloads"
    limit: int = 20
    tags: tuple[str, ...] = ("mlx",)
    pipeline: str | None = None


class Hub:
    """One per application; used from its event loop."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        token = settings.hf_token.get_secret_value() if settings.hf_token else None
        self._offline = settings.hf_hub_offline
        self._api = HfApi(
            endpoint=settings.hf_endpoint, token=token, library_name="mlxq", library_version=VERSION
        )
        set_client_factory(lambda: httpx.Client(follow_redirects=True, timeout=_PATIENCE))
        self._clock = clock
        self._room = threading.Semaphore(_AT_ONCE)
        self._answers: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()
        self._asking: dict[Hashable, asyncio.Task[Any]] = {}

    async def search(self, wanted: Search) -> list[ModelInfo]:
        """Models of the hub, in the order that is wanted. Raises HubUnavailable."""
        return await self._ask(wanted, lambda: self._list(wanted))

    async def model(self, model_id: str) -> ModelInfo:
        """One model. Raises ModelNotFound and HubUnavailable."""
        if not is_hub_id(model_id):
            raise ModelNotFound(f"Model '{model_id[:200]}' not found", param="model")
        return await self._ask(model_id, lambda: self._info(model_id))

    def _list(self, wanted: Search) -> list[ModelInfo]:
        found = self._api.list_models(
            filter=wanted.tags,
            search=wanted.query or None,
            sort=wanted.sort,
            limit=wanted.limit,
            pipeline_tag=wanted.pipeline,
            expand=_FIELDS,
        )
        return list(found)

    def _info(self, model_id: str) -> ModelInfo:
        return self._api.model_info(model_id, timeout=_PATIENCE, expand=_ONE)

    async def _ask(self, what: Hashable, ask: Callable[[], Answer]) -> Answer:
        """The hub's answer, or the one that it gave lately. Who asks the same meanwhile waits for the same answer."""
        kept = self._answers.get(what)
        if kept is not None and self._clock() - kept[0] < _FRESH:
            self._answers.move_to_end(what)
            answer: Answer = kept[1]
            return answer
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
        if self._offline:
            raise HubUnavailable("The model hub is offline: HF_HUB_OFFLINE is set.", retry_after=60)
        try:
            async with asyncio.timeout(2 * _PATIENCE):
                answer = await self._in_thread(ask)
        except (RepositoryNotFoundError, HFValidationError):
            raise ModelNotFound(f"Model '{what}' not found on HuggingFace", param="model") from None
        except HfHubHTTPError as error:
            raise _refused(error) from error
        except (OSError, httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise HubUnavailable(
                f"The model hub is out of reach ({type(error).__name__}). Installed models work all the same.",
                retry_after=30,
            ) from error
        self._answers[what] = (self._clock(), answer)
        while len(self._answers) > _KEPT:
            self._answers.popitem(last=False)
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
                future.set_result(answer)  # type: ignore[arg-type]

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


def _refused(error: HfHubHTTPError) -> HubUnavailable:
    status = error.response.status_code
    if status in (401, 403):
        return HubUnavailable(f"The model hub refused the token of HF_TOKEN ({status}).", retry_after=60)
    if status == 429:
        return HubUnavailable(
            "The model hub has too many requests from here. Try again later.", retry_after=60
        )
    return HubUnavailable(f"The model hub answered with an error ({status}).", retry_after=30)
