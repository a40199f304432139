"""Which jobs of a queue may go before others: those for the model in memory. It does not know the queue."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelAffinity:
    """Which model's jobs may go before others: `model`, in memory since `since_ms` (Unix), which `works` or not.

    A job for another model lets them pass for `patience_ms` after it was submitted, or after the model was loaded
    if that was later: two models that are wanted all the time change places only that often.
    """

    model: str = ""
    since_ms: int = 0
    patience_ms: int = 0
    works: bool = False


#: First come, first served.
ANY_MODEL = ModelAffinity()
