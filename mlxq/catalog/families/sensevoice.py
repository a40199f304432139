"""SenseVoice: Chinese, Cantonese, English, Japanese and Korean."""

from mlxq.catalog.families.transcription import LANGUAGE, TranscriptionFamily

SENSEVOICE = TranscriptionFamily(
    name="sensevoice",
    types=frozenset({"sensevoice", "sensevoicesmall"}),
    options=frozenset({LANGUAGE}),
    default_name="sensevoice",
)
