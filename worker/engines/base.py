"""What a lane asks of an engine: take tasks in, advance all of them by one step, let them go.

An engine belongs to the thread that made it: every method is called there. It knows models, not jobs: a task is
an opaque id and a payload. It reports what came of a step as `Output`s.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from jobs.errors import MlxqError


@dataclass(slots=True)
class Delta:
    """New text of one choice of a task.

    `field` says of what: its content, its reasoning, or the arguments of tool call number `call`, whose `id` and
    `name` come with the first of its deltas. `logprobs` are the content's tokens, as `logprobs.entry` makes them.
    """

    task_id: str
    text: str
    index: int = 0
    field: str = "content"
    call: dict[str, Any] | None = None
    logprobs: list[dict[str, Any]] | None = None


@dataclass(slots=True)
class Progress:
    """`done` of `total` steps of a task."""

    task_id: str
    done: int
    total: int
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Preview:
    """A file of what a task has made so far: a small preview, or a `partial` picture in full size.

    `artifact` is its number among the task's files, `blob` where it lies.
    """

    task_id: str
    artifact: int
    blob: str
    content_type: str
    partial: bool = False
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Done:
    """The task has ended; the engine has forgotten it."""

    task_id: str
    result: dict[str, Any]


@dataclass(slots=True)
class Failed:
    """The task has ended with an error; the engine has forgotten it, its neighbours go on."""

    task_id: str
    error: MlxqError


Output = Delta | Progress | Preview | Done | Failed


class Engine(Protocol):
    """A loaded model that serves up to `capacity` tasks at once."""

    capacity: int
    #: tokens that prompt and answer may have together, None where that makes no sense
    context_length: int | None
    #: bytes of the weights
    memory_bytes: int

    def add(self, task_id: str, payload: dict[str, Any], seed: int) -> None:
        """Take a task in; `seed` is for payloads without one. Raises MlxqError when it can't be served."""

    def remove(self, task_id: str) -> None:
        """Forget a task: nothing more is computed for it. Unknown ids are ignored."""

    def step(self) -> list[Output]:
        """Advance every task by one step."""

    def tidy(self) -> None:
        """Do what can wait until the outputs of a step are on their way. Called after each step."""

    def close(self) -> None:
        """Let go of the model, so that its memory can be freed."""


@runtime_checkable
class Remembers(Protocol):
    """An engine that keeps something only to be quicker next time. Any thread may ask it to forget that."""

    @property
    def remembered(self) -> int:
        """Bytes that it keeps so."""

    def forget(self) -> None:
        """Let go of them, whatever it is busy with."""


@runtime_checkable
class Gathers(Protocol):
    """An engine that does a step for several tasks better than one for each."""

    def pause(self) -> float:
        """Seconds for which the next step should wait for one more task; 0 when it should not."""
