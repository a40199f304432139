"""Kokoro: many voices of its own, by a library for phonemes that is not among this server's."""

from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path

from jobs.errors import NotSupported
from worker.engines.tts.family import Family

#: Its letters of languages by their codes.
_LANGUAGES = {
    "en": "a",
    "en-us": "a",
    "en-gb": "b",
    "es": "e",
    "fr": "f",
    "hi": "h",
    "it": "i",
    "ja": "j",
    "pt": "p",
    "pt-br": "p",
    "zh": "z",
}


class Special(Family):
    @classmethod
    def prepared(cls, path: Path) -> AbstractContextManager[Path]:
        if find_spec("misaki") is None:
            raise NotSupported(
                "Kokoro needs the library 'misaki', which can't be installed without others that are fetched at run "
                "time; `pip install misaki[en]` brings it. Qwen3-TTS speaks without it.",
                param="model",
            )
        return super().prepared(path)

    def language(self, language: str) -> str:
        return _LANGUAGES.get(language.lower(), language)
