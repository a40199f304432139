"""The names of the events that webhooks tell, and the words by which some of them are chosen."""

from collections.abc import Iterable

#: Every event. Those of responses and batches are OpenAI's.
EVENTS: tuple[str, ...] = (
    *(f"job.{end}" for end in ("completed", "failed", "cancelled", "expired")),
    *(f"response.{end}" for end in ("completed", "failed", "cancelled", "incomplete")),
    *(f"batch.{end}" for end in ("completed", "failed", "cancelled", "expired")),
)
#: Replicate's word for every end.
_ANY_END = "completed"
#: Stands for the rest of a name.
_ANY = "*"
#: What a word may be, for those who wrote another one.
ALLOWED = f"{', '.join(EVENTS)}, job.*, response.*, batch.*, *, or completed for every end"


def named(words: Iterable[str]) -> tuple[str, ...]:
    """The events that these words mean. Raises ValueError with the first word that means none."""
    wanted: set[str] = set()
    for word in words:
        found = _meant(word)
        if not found:
            raise ValueError(word)
        wanted.update(found)
    return tuple(event for event in EVENTS if event in wanted)


def _meant(word: str) -> tuple[str, ...]:
    if word == _ANY_END:
        return EVENTS
    if word.endswith(_ANY):
        return tuple(event for event in EVENTS if event.startswith(word.removesuffix(_ANY)))
    return (word,) if word in EVENTS else ()
