"""Kokoro's pipelines from text to phonemes, from what is installed: the library's own fetch what is missing.

Its own also speak words that no dictionary has by eSpeak, whose licence is not ours: here they are spelt.
"""

from pathlib import Path
from typing import Any

import mlx.core as mx
import spacy
from misaki import en
from mlx_audio.tts.models.kokoro.pipeline import KokoroPipeline
from mlx_audio.tts.models.kokoro.voice import load_voice_tensor


def pipelines(model: Any, english: str) -> dict[str, KokoroPipeline]:
    """By their letters; `english` is the name of spaCy's model."""
    language = spacy.load(english, enable=["tok2vec", "tagger"])
    return {letter: _Pipeline(model, letter, language) for letter in "ab"}


class _Phonemes(en.G2P):
    def __init__(self, language: Any, *, british: bool) -> None:
        self.version, self.british, self.unk = None, british, ""
        self.nlp = language
        self.lexicon = en.Lexicon(british)
        self.fallback = lambda token: self.lexicon.get_NNP(token.text)


class _Pipeline(KokoroPipeline):
    def __init__(self, model: Any, letter: str, language: Any) -> None:
        self.model, self.lang_code, self.repo_id = model, letter, ""
        self.model_path = Path(model.config.model_path)
        self.voices: dict[str, mx.array] = {}
        self.g2p = _Phonemes(language, british=letter == "b")

    def load_single_voice(self, voice: str) -> mx.array:
        return load_voice_tensor(str(self.model_path / "voices" / f"{voice}.safetensors"))
