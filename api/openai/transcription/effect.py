"""What was asked of a transcription and has no effect on it: said, instead of silently left out."""

from api.openai.transcription.schema import TranscriptionRequest
from mlxq.catalog import ModelRef


def without_effect(ref: ModelRef, wanted: TranscriptionRequest) -> list[str]:
    """Warnings."""
    taken = ref.card.options if ref.card is not None else None
    asked = {"language": wanted.language, "prompt": wanted.prompt, "temperature": wanted.temperature}
    return [
        f"'{name}' has no effect: the model '{ref.id}' takes none"
        for name, value in asked.items()
        if value and taken is not None and name not in taken
    ]
