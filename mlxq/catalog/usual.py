"""What answers to those who know no model of ours: OpenAI's names, and `default` where no setting names a model."""

from collections.abc import Iterable
from dataclasses import dataclass

from config.settings import REPO
from mlxq.catalog.asr import WHISPER, recogniser_family
from mlxq.catalog.category import ASR, EMBEDDING, IMAGE, TTS
from mlxq.catalog.image import TYPES as IMAGE_TYPES
from mlxq.catalog.image import missing_files
from mlxq.catalog.installed import Installed

#: Models that come with mlxq to try it out. None of them takes a real model's place unasked.
SHIPPED = REPO / "models"
SHIPPED_NAMES = {ASR: "tiny-whisper", IMAGE: "tiny-image"}


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
    ASR: Recommended("mlx-community/whisper-tiny", "0.1 GB", "speech-to-text model"),
    TTS: Recommended("mlx-community/Qwen3-TTS-12Hz-0.6B-Base-bf16", "2.5 GB", "model that speaks"),
    IMAGE: Recommended("black-forest-labs/FLUX.2-klein-4B", "16 GB", "model that makes pictures"),
    EMBEDDING: Recommended("mlx-community/all-MiniLM-L6-v2-4bit", "0.1 GB", "embedding model"),
}


def advice(category: str) -> str:
    """Why there is no model of that category, and what changes it."""
    known = RECOMMENDED.get(category)
    if known is None:
        return f"There is no default {category} model: {category.upper()}_MODEL is not set."
    return (
        f"No {known.what} is installed. {known.command} fetches one, and the next request uses it; "
        f"{category.upper()}_MODEL names another."
    )


def warning(category: str) -> str:
    """What a model that was shipped says where it stands in for a real one."""
    name, known = SHIPPED_NAMES[category], RECOMMENDED[category]
    weakness = "its pictures are random" if category == IMAGE else "it knows 38 words only"
    return f"the model '{name}' answered, {weakness}: {known.command} fetches a real one"


def best(installed: Iterable[Installed], category: str) -> Installed | None:
    """The model of that category that is used where nobody has chosen one."""
    found = [model for model in installed if model.category == category and _serves(model)]
    # Whisper hears most languages.
    found.sort(key=lambda model: (category == ASR and not _is_whisper(model), model.id))
    return found[0] if found else None


def _serves(model: Installed) -> bool:
    if model.path.resolve().is_relative_to(SHIPPED.resolve()):
        return False
    return model.model_type not in IMAGE_TYPES or not missing_files(model.path, model.model_type)


def _is_whisper(model: Installed) -> bool:
    return recogniser_family(model.config, model.path) == WHISPER
