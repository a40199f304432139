"""Tokenises long prompts on a thread of its own, so that other requests decode meanwhile.

This module knows payloads and readers. It does not know batches. Prompts are read one after another, in their order.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from jobs.payloads import LanguagePayload
from worker.engines.streams import kept_stream

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Prepared(Generic[Read]):
    """A request whose prompts have been read. `result` raises if they could not be."""

    task_id: str
    payload: LanguagePayload
    seed: int
    result: Callable[[], Read]


class Preparation(Generic[Read]):
    """Call `add`, then `ready` repeatedly; `remove` drops a request; `close` ends the thread."""

    def __init__(self, read: Callable[[LanguagePayload], Read]) -> None:
        self._read = read
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="prompts")
        self._asked: dict[str, tuple[LanguagePayload, int, Future[Read]]] = {}

    def __len__(self) -> int:
        return len(self._asked)

    def add(self, task_id: str, payload: LanguagePayload, seed: int) -> None:
        self._asked[task_id] = (payload, seed, self._pool.submit(self._prepare, payload))

    def remove(self, task_id: str) -> None:
        if (asked := self._asked.pop(task_id, None)) is not None:
            asked[2].cancel()

    def ready(self, patience: float) -> Iterator[Prepared[Read]]:
        """The requests that are ready; waits up to `patience` seconds for the first."""
        if not self._asked:
            return
        wait([future for *_, future in self._asked.values()], patience, FIRST_COMPLETED)
        for task_id, (payload, seed, future) in list(self._asked.items()):
            if future.done():
                del self._asked[task_id]
                yield Prepared(task_id, payload, seed, future.result)

    def close(self) -> None:
        for task_id in list(self._asked):
            self.remove(task_id)
        self._pool.shutdown()

    def _prepare(self, payload: LanguagePayload) -> Read:
        with kept_stream():
            return self._read(payload)
