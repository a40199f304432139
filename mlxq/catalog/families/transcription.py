"""What families of models that transcribe speech have in common: the options that have an effect on them."""

from dataclasses import dataclass

from jobs.kinds import Category
from mlxq.catalog.families.family import Family

#: What a model may take beside the recording, by the names that requests have for it.
LANGUAGE, PROMPT, TEMPERATURE = "language", "prompt", "temperature"


@dataclass(frozen=True, kw_only=True, eq=False)
class TranscriptionFamily(Family):
    category: Category = Category.ASR
    #: which of the options have an effect
    options: frozenset[str] = frozenset()
