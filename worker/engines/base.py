"""The interface between lanes and engines: add tasks, advance all of them by one step, remove them.

One thread owns an engine: the one that made it calls every method. An engine knows models, not jobs: a task is an
opaque id and a payload. A step returns `Output`s.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar, runtime_checkable

from jobs.errors import MlxqError
from jobs.events import CallPart, TokenLogprob
from jobs.results import Result


@dataclass(slots=True)
class Delta:
    """New text of one choice of a task.

    `field`: content, reasoning, or tool_call: the arguments of `call`, whose `id` and `name` come with the first of
    its deltas. `logprobs` are the content's tokens, as `logprobs.entry` makes them.
    """

    task_id: str
    text: str
    index: int = 0
    field: Literal["content", "reasoning", "tool_call"] = "content"
    call: CallPart | None = None
    logprobs: list[TokenLogprob] | None = None


@dataclass(slots=True)
class AudioChunk:
    """The next bytes of a sound file: of each chunk but the last a multiple of three."""

    task_id: str
    audio: bytes


@dataclass(slots=True)
class Progress:
    """`done` of `total` steps of a task, or of what `unit` names. Of `tokens`, `total` is the most there may be."""

    task_id: str
    done: int
    total: int
    unit: Literal["steps", "prompt_tokens", "tokens", "milliseconds", "sentences", "texts"] = "steps"


@dataclass(slots=True)
class Alive:
    """The task has advanced, but there is nothing new to send: a token that does not end a character, for example."""

    task_id: str


@dataclass(slots=True)
class Preview:
    """A file that shows an unfinished image: a small preview, or a `partial` image in full size.

    `artifact` is its number among the task's files, `blob` its id in the blob store.
    """

    task_id: str
    artifact: int
    blob: str
    content_type: str
    partial: bool = False
    data: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Done:
    """The task has ended; the engine has removed it."""

    task_id: str
    result: Result


@dataclass(slots=True)
class Failed:
    """The task has ended with an error; the engine has removed it, other tasks continue."""

    task_id: str
    error: MlxqError


PayloadT = TypeVar("PayloadT", contravariant=True)
Output = Delta | AudioChunk | Progress | Alive | Preview | Done | Failed


class Engine(Protocol[PayloadT]):
    """A loaded model that serves up to `capacity` tasks at once."""

    capacity: int
    #: tokens of prompt and answer together, None for engines without such a limit
    context_length: int | None

    @property
    def memory_bytes(self) -> int:
        """Bytes of the weights."""

    def add(self, task_id: str, payload: PayloadT, seed: int) -> None:
        """Add a task; `seed` is for payloads without one. Raises MlxqError for a task that it cannot serve."""

    def remove(self, task_id: str) -> None:
        """Remove a task: nothing more is computed for it. Unknown ids are ignored."""

    def step(self) -> list[Output]:
        """Advance every task by one step."""

    def tidy(self) -> None:
        """Do deferred work, after the outputs of a step have been sent. Called after each step."""

    def close(self) -> None:
        """Release the model, so that its memory can be freed."""


@runtime_checkable
class CachingEngine(Protocol):
    """An engine with a cache that only saves time. Any thread may clear it."""

    @property
    def cache_bytes(self) -> int:
        """Bytes of the cache."""

    def clear_cache(self, wanted: int | None = None) -> None:
        """Free so many bytes of the cache, by default all, also while tasks run."""


@runtime_checkable
class PausingEngine(Protocol):
    """An engine whose tasks can stand still. What a task needs to go on at once, it does before."""

    def pause(self, task_id: str) -> None:
        """Nobody waits for the task now: read its prompt, make a little of the answer, then let it stand still."""

    def resume(self, task_id: str) -> None:
        """Go on with the task."""

    @property
    def idle(self) -> bool:
        """Whether all tasks stand still: a step would do nothing."""


@runtime_checkable
class YieldingEngine(Protocol):
    """An engine that takes tasks beyond its capacity where others give way: they stand still meanwhile."""

    def give_way(self, task_id: str) -> None:
        """The task that is added next, by its id, gives way to others."""


@runtime_checkable
class ReadingEngine(Protocol):
    """An engine that reads prompts, some at a time."""

    #: how many tokens of which tasks' prompts the last step has read
    read: Counter[str]

    @property
    def longest(self) -> int:
        """Tokens of the longest row that decodes: all are as long in memory."""


@runtime_checkable
class GatheringEngine(Protocol):
    """An engine that serves several new tasks in one step faster than in one step each."""

    def gather_time(self) -> float:
        """Seconds that the next step should wait for another task; 0: none."""


@runtime_checkable
class CarefulEngine(Protocol):
    """An engine that can do its work in smaller portions, which need less memory at a time."""

    def be_careful(self, careful: bool) -> None:
        """Do so from now on, or not any more."""


class Headroom(Protocol):
    """The memory that the requests of an engine may take besides its weights."""

    def most(self) -> int:
        """Bytes that there would be without other requests, models on demand and caches. Any thread may ask."""

    def make(self, needed: int) -> bool:
        """Have so many bytes free, by clearing caches and unloading idle models. Whether they are free now."""


@runtime_checkable
class BoundedEngine(Protocol):
    """An engine whose requests take memory that it can foresee."""

    def bound(self, headroom: Headroom) -> None:
        """Keep within this from now on. Called on the engine's thread, before the first task."""
