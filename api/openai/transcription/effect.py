"""What was asked of a transcription and has no effect on it: said, instead of silently left out."""

from api.openai.transcription.schema import TranscriptionRequest
from mlxq.catalog import ModelRef
from mlxq.catalog.families.transcription import TranscriptionFamily
from mlxq.catalog.installed import read_model


def without_effect(ref: ModelRef, wanted: TranscriptionRequest) -> list[str]:
    """Warnings. It reads the model's folder."""
    warnings = [ref.note] if ref.note else []
    model = read_model(ref.path, ref.id) if ref.path is not None else None
    family = model.family if model is not None else None
    asked = {"language": wanted.language, "prompt": wanted.prompt, "temperature": wanted.temperature}
    warnings += [
        f"'{name}' has no effect: the model '{ref.id}' takes none"
        for name, value in asked.items()
        if value and isinstance(family, TranscriptionFamily) and name not in family.options
    ]
    return warnings
