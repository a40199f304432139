"""Which jobs may be taken: for models in memory, and for one that may come in. It does not know the queue."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Room(StrEnum):
    """Whether a model that is not in memory may be loaded now."""

    #: beside those that are in memory
    BESIDE = "beside"
    #: in the place of an idle one
    INSTEAD = "instead"
    #: in the place of an idle one, whose next job is expected in a moment
    SOON = "soon"
    #: not before jobs of other models have ended
    LATER = "later"
    #: its files are not on this machine
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class ModelAffinity:
    """`ready`: the models in memory; None: jobs are taken as they come. `busy`: those of them with running jobs.

    A job for another model lets those for ready models pass for `patience_ms` after it was submitted, or after
    `since_ms` (Unix), when the last model was loaded, if that was later: models that are wanted all the time change
    places only that often. `room` is that of the model `asked`, which needs `needed` bytes; None: not known yet.
    `free`: bytes of memory that models may still take, which other workers are told.
    """

    ready: Sequence[str] | None = None
    busy: Sequence[str] = ()
    since_ms: int = 0
    patience_ms: int = 0
    asked: str = ""
    room: Room | None = None
    needed: int = 0
    free: int = 0


@dataclass(frozen=True, slots=True)
class Seat:
    """A worker as one of several that take jobs of a queue: its name, and how many jobs of it may run at once."""

    worker: str
    places: int


#: The affinity now. Called with a model that is not ready, it also tells that model's room.
Favour = Callable[[str | None], ModelAffinity]

_ANY = ModelAffinity()


def any_model(asked: str | None = None) -> ModelAffinity:
    """First come, first served."""
    return _ANY
