"""Qwen3-ASR: a language model that takes recordings."""

from mlxq.catalog.families.transcription import LANGUAGE, PROMPT, TEMPERATURE, TranscriptionFamily

QWEN3_ASR = TranscriptionFamily(
    name="qwen3_asr",
    types=frozenset({"qwen3_asr"}),
    options=frozenset({LANGUAGE, PROMPT, TEMPERATURE}),
    default_name="qwen3-asr",
    extras={"mlx_whisper": "whisper"},
)
