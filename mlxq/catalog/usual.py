"""Which model answers to OpenAI's names, and to `default` where no setting names a model."""

from collections.abc import Iterable
from dataclasses import dataclass

from jobs.kinds import Category
from mlxq.catalog.ref import Model

#: Those of the shipped models that a category falls back on.
SHIPPED_NAMES = {Category.ASR: "tiny-whisper", Category.IMAGE: "tiny-image"}


@dataclass(frozen=True, slots=True)
class Recommended:
    """A model for a category of which nothing is installed. `size` is what has to be fetched."""

    model: str
    size: str
    what: str

    @property
    def command(self) -> str:
        return f"`mlxq pull {self.model}` ({self.size})"


RECOMMENDED = {
    Category.ASR: Recommended("mlx-community/whisper-tiny", "0.1 GB", "speech-to-text model"),
    Category.TTS: Recommended("mlx-community/Qwen3-TTS-12Hz-0.6B-Base-bf16", "2.5 GB", "model that speaks"),
    Category.IMAGE: Recommended("black-forest-labs/FLUX.2-klein-4B", "16 GB", "model that makes pictures"),
    Category.EMBEDDING: Recommended("mlx-community/all-MiniLM-L6-v2-4bit", "0.1 GB", "embedding model"),
}


def advice(category: Category) -> str:
    """Why there is no model of that category, and what changes it."""
    known = RECOMMENDED.get(category)
    if known is None:
        return f"There is no default {category} model: {category.upper()}_MODEL is not set."
    return (
        f"No {known.what} is installed. {known.command} fetches one, and the next request uses it; "
        f"{category.upper()}_MODEL names another."
    )


def warning(category: Category) -> str:
    """The warning of an answer that a shipped model gave in place of a real one."""
    name, known = SHIPPED_NAMES[category], RECOMMENDED[category]
    weakness = "its pictures are random" if category == Category.IMAGE else "it knows 38 words only"
    return f"the model '{name}' answered, {weakness}: {known.command} fetches a real one"


def best(installed: Iterable[Model], category: Category) -> Model | None:
    """The model of that category that is used where nobody has chosen one."""
    found = [model for model in installed if model.category == category and model.serves]
    found.sort(key=lambda model: (not model.preferred, model.id))
    return found[0] if found else None
