"""Kokoro's pipelines from text to phonemes, from what is installed: the library's own fetch what is missing."""

from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_audio.tts.models.kokoro.pipeline import KokoroPipeline
from mlx_audio.tts.models.kokoro.voice import load_voice_tensor

from worker.engines.tts.english import EnglishPhonemes, tagger


def pipelines(model: Any, english: str) -> dict[str, KokoroPipeline]:
    """By their letters; `english` is the name of spaCy's model."""
    language = tagger(english)
    return {letter: _Pipeline(model, letter, language) for letter in "ab"}


class _Pipeline(KokoroPipeline):
    def __init__(self, model: Any, letter: str, language: Any) -> None:
        self.model, self.lang_code, self.repo_id = model, letter, ""
        self.model_path = Path(model.config.model_path)
        self.voices: dict[str, mx.array] = {}
        self.g2p = EnglishPhonemes(language, british=letter == "b")

    def load_single_voice(self, voice: str) -> mx.array:
        return load_voice_tensor(str(self.model_path / "voices" / f"{voice}.safetensors"))
