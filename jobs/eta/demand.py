"""What a job still needs of the device, by what was learned of its model. It knows one job, not those beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec import UNSET

from jobs.eta.paces import ModelPaces
from jobs.eta.steps import Steps
from jobs.events import ProgressState
from jobs.kinds import TEXTS, Kind
from jobs.queue.order import NOBODY

#: Fields of a job's hash that an estimate needs.
FIELDS = (
    "mlxq_kind",
    "mlxq_model",
    "mlxq_app",
    "mlxq_work",
    "mlxq_progress",
    "mlxq_progress_ms",
    "mlxq_ran_ms",
    "mlxq_loading",
    "mlxq_class",
    "mlxq_share",
    "mlxq_first",
    "mlxq_charged",
)
#: What of its usual length an answer still has that is longer than usual.
_LONGER = 0.25

#: Tokens of a prompt that is read in one step (worker/engines/llm/rows/batch.py).
_SHORT = 128

#: Units of which each one is told of.
_COUNTED = ("steps", "sentences")

_PROGRESS = msgspec.json.Decoder(ProgressState)


@dataclass(frozen=True, slots=True)
class Row:
    """A job as it stands in Redis. `work` and `most_tokens`: see `work.py`. Times are Unix seconds."""

    id: str
    kind: str
    model: str
    app: str
    work: float
    most_tokens: int
    progress: ProgressState | None
    #: when it was so far
    progress_at: float
    #: since when it runs, or its model is loaded
    ran_at: float
    loading: bool
    service_class: str
    #: the app that its time is charged to, whether it goes before all others of its class, and seconds charged so far
    share: str
    first: bool
    charged: float

    @staticmethod
    def decode(job_id: str, values: Sequence[str | None]) -> "Row | None":
        """None for a job that is gone."""
        kind, model, app, work, progress, progress_ms, ran_ms, loading, *turn = values
        if not kind:
            return None
        service_class, share, first, charged = turn
        amount, _, most = (work or "0").partition(" ")
        if int(progress_ms or 0) < int(ran_ms or 0):
            # It was so far before it began again.
            progress = None
        return Row(
            job_id,
            kind,
            model or "",
            app or "",
            float(amount),
            int(most or 0),
            _PROGRESS.decode(progress) if progress else None,
            int(progress_ms or 0) / 1000,
            int(ran_ms or 0) / 1000,
            bool(loading),
            service_class or "",
            share or NOBODY,
            bool(first),
            float(charged or 0),
        )

    @property
    def seen_at(self) -> float:
        """When it was last known how far it is; 0: it does not run."""
        return max(self.ran_at, self.progress_at) if self.ran_at else 0.0

    @property
    def writes(self) -> bool:
        return self.kind in TEXTS


def unit_of(progress: ProgressState | None) -> str:
    """What a progress counts; '' where there is none. A prompt that is read counts no more."""
    if progress is None or (progress.unit == "prompt_tokens" and progress.done >= progress.total):
        return ""
    return "steps" if progress.unit is UNSET else progress.unit


@dataclass(slots=True)
class Demand:
    """`load` and `work`: seconds that the device needs for this job alone. Then it writes `tokens` beside others.

    `part`: seconds of its work after which it would be known that it is further. `last`: seconds of its last step,
    which come after its work and are not shared: a step that has begun is not cut short. `begins`: seconds that it
    usually runs before it writes, while nothing is told of it. `short`: its prompt is read in one step. `length`:
    tokens of its prompt and its answer so far.
    """

    load: float
    work: float
    tokens: float = 0.0
    pace: Steps | None = None
    part: float = math.inf
    last: float = 0.0
    begins: float = 0.0
    short: bool = False
    length: float = 0.0

    def seconds(self, answers: int, longest: float) -> float:
        """Those of a token where so many answers are written, with it, the longest of which has so many tokens."""
        return (self.pace.at(answers, longest) if self.pace is not None else None) or 0.0

    def write(self, tokens: float) -> None:
        """It has so many more tokens."""
        self.tokens -= tokens
        self.length += tokens


def demand_of(row: Row, paces: ModelPaces | None) -> Demand | None:
    """What a job needed when it was last known how far it is. None: nothing is known of such jobs."""
    if paces is None:
        return _by_itself(row)
    load = paces.load or 0.0
    if row.kind in (Kind.LOAD, Kind.UNLOAD):
        return Demand(load, 0.0) if row.kind == Kind.LOAD and paces.load is not None else None
    if row.writes:
        return _of_text(row, paces, load)
    whole = paces.work.at(row.work) if row.work else paces.work.usual()
    if whole is None:
        return _by_itself(row)
    share = _share(row)
    if share:
        # With a step, it had more than its share: the next one waits as much longer for its turn.
        return Demand(load, whole * (1 - share), part=whole * _part(row))
    last = min(whole, (paces.last.at(row.work) if row.work else paces.last.usual()) or 0.0)
    return Demand(load, whole - last, last=last)


def _of_text(row: Row, paces: ModelPaces, load: float) -> Demand | None:
    answer = _answer(row, paces)
    if not answer or not paces.write.seen:
        return None
    progress, begins, short = row.progress if row.ran_at else None, 0.0, False
    habit = paces.habit(row.app)
    prompt = row.work * habit.density if habit else 0.0
    if progress is None:
        begins = math.exp(habit.begins) if habit else 0.0
        unread = max(1.0, prompt * habit.unread) if habit else 0.0
        reading, short = paces.read.at(unread) if unread else 0.0, unread <= _SHORT
    elif progress.unit == "tokens":
        left = max(answer - progress.done, _LONGER * answer)
        most = (row.most_tokens or progress.total) - progress.done
        tokens = max(0.0, min(left, most))
        return Demand(load, 0.0, tokens, paces.write, length=prompt + progress.done)
    elif progress.done >= progress.total:
        reading = 0.0
    else:
        # Reading takes longer the more is read: the rest takes what the whole takes beyond what is done.
        whole, done = paces.read.at(progress.total), paces.read.at(progress.done)
        reading = None if whole is None or done is None else max(0.0, whole - done)
    if reading is None:
        return None
    if progress is not None:
        prompt = progress.total
    return Demand(load, reading, answer, paces.write, begins=begins, short=short, length=prompt)


def _answer(row: Row, paces: ModelPaces) -> float:
    """Tokens that it usually writes; 0 where nothing tells."""
    habit = paces.habit(row.app)
    if habit is None:
        return float(row.most_tokens)
    usual = math.exp(habit.answer)
    return min(usual, row.most_tokens) if row.most_tokens else usual


def _share(row: Row) -> float:
    """How much of it is done."""
    progress = row.progress
    if progress is None or not row.ran_at or progress.total <= 0:
        return 0.0
    return min(1.0, max(0.0, progress.done / progress.total))


def _part(row: Row) -> float:
    """How much of it is done at most until its progress is told again, as a share."""
    progress = row.progress
    if progress is None or not row.ran_at or progress.total <= 0 or progress.done <= 0:
        return math.inf
    each = 1 if unit_of(progress) in _COUNTED else progress.done
    return each / progress.total


def _by_itself(row: Row) -> Demand | None:
    """By the time that it has taken for what it has done so far."""
    share = 0.0 if row.writes else _share(row)
    if not share:
        return None
    return Demand(0.0, max(0.0, row.progress_at - row.ran_at) * (1 - share) / share)
