"""Whisper: checkpoints of mlx-whisper and of transformers."""

from mlxq.catalog.families.family import Candidate
from mlxq.catalog.families.transcription import LANGUAGE, PROMPT, TEMPERATURE, TranscriptionFamily


class Whisper(TranscriptionFamily):
    def matches_config(self, candidate: Candidate) -> bool:
        # mlx-whisper's first checkpoints name no type.
        return super().matches_config(candidate) or {"n_audio_ctx", "n_mels"} <= candidate.config.keys()


WHISPER = Whisper(
    name="whisper",
    types=frozenset({"whisper"}),
    options=frozenset({LANGUAGE, PROMPT, TEMPERATURE}),
    default_name="whisper",
    # It transcribes most languages.
    preferred=True,
    short_names={
        "whisper-tiny": "mlx-community/whisper-tiny",
        "whisper-base": "mlx-community/whisper-base",
        "whisper-small": "mlx-community/whisper-small",
        "whisper-medium": "mlx-community/whisper-medium",
        "whisper-large": "mlx-community/whisper-large-v3",
        "whisper-large-v2": "mlx-community/whisper-large-v2",
        "whisper-large-v3": "mlx-community/whisper-large-v3",
    },
    extras={"mlx_whisper": "whisper"},
)
