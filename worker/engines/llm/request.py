"""A request that a chat engine runs: its sequences, and its result. It knows neither batches nor payloads."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from jobs.results import TextResult, TextUsage, Timings
from worker.engines.base import Progress
from worker.engines.llm.answers.sequence import Sequence
from worker.engines.llm.prefill import Runner
from worker.engines.llm.prompts.prompt import Prompt
from worker.engines.llm.rows.row import Row
from worker.engines.llm.rows.solo import Solo

#: Seconds between two reports of how far a prompt is read. One that is read sooner has none.
REPORT_EVERY = 0.25
#: Seconds between two reports of how long answers are. Those that are written sooner have none.
WRITTEN_EVERY = 0.5


@dataclass(slots=True, eq=False)
class TextRequest:
    """`each` sequences of every prompt, the best `n` of which are returned."""

    id: str
    prompts: list[Prompt]
    n: int
    each: int
    runner: Runner
    sequences: list[Sequence] = field(default_factory=list)
    rows: dict[Sequence, Row] = field(default_factory=dict)
    cached: int = 0
    began: float = field(default_factory=time.monotonic)
    first_token: float | None = None
    #: tokens of each prompt that are left to be read
    unread: dict[int, int] = field(default_factory=dict)
    #: tokens that its answers may have
    most: int = 0
    _reported: float | None = None

    def read(self, number: int, unread: int) -> Progress | None:
        """A piece of prompt `number` was read. Returns what is to be reported of it: now and then, and the end."""
        self.unread[number] = unread
        left, now = sum(self.unread.values()), time.monotonic()
        if left and now - (self._reported or self.began) < REPORT_EVERY:
            return None
        if not left and self._reported is None:
            return None
        self._reported = now
        total = sum(len(prompt.tokens) for prompt in self.prompts)
        return Progress(self.id, total - left, total, "prompt_tokens")

    def written(self) -> Progress:
        """How many tokens of its answers there are."""
        return Progress(self.id, sum(each.tokens for each in self.sequences), self.most, "tokens")

    def result(self) -> TextResult:
        """The result of its job. Call it when all sequences have ended."""
        now = time.monotonic()
        first = self.first_token or now
        sequences = self.sequences
        drafted = sequences if isinstance(self.runner, Solo) else ()
        usage = TextUsage(
            prompt_tokens=sum(len(prompt.tokens) for prompt in self.prompts),
            completion_tokens=sum(sequence.tokens for sequence in sequences),
            cached_tokens=self.cached,
            reasoning_tokens=sum(sequence.reasoning_tokens for sequence in sequences),
            accepted_prediction_tokens=sum(sequence.drafted_tokens for sequence in drafted),
        )
        timings = Timings(round(first - self.began, 6), round(now - first, 6))
        return TextResult(
            choices=[sequence.result() for sequence in self._best()], usage=usage, timings=timings
        )

    def _best(self) -> list[Sequence]:
        """The `n` sequences of each prompt with the highest likelihood per token, renumbered."""
        if self.each == self.n:
            return self.sequences
        best: list[Sequence] = []
        for start in range(0, len(self.sequences), self.each):
            group = self.sequences[start : start + self.each]
            group.sort(key=lambda sequence: -sequence.likelihood / max(1, sequence.tokens))
            best += group[: self.n]
        for index, sequence in enumerate(best):
            sequence.index = index
        return best


class Written:
    """Tells now and then how long answers are, those of all requests together."""

    def __init__(self) -> None:
        self._next = 0.0

    def of(self, requests: Iterable[TextRequest]) -> list[Progress]:
        """What is to be reported after a step."""
        now = time.monotonic()
        if now < self._next:
            return []
        self._next = now + WRITTEN_EVERY
        return [
            each.written()
            for each in requests
            if each.first_token is not None and now - each.first_token >= WRITTEN_EVERY
        ]
