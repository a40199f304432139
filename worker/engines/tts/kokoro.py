"""Kokoro: many voices of its own, in English. Its phonemes are made by libraries that are an extra of this server."""

import unicodedata
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from jobs.errors import InvalidRequest, NotSupported
from mlxq.catalog.kokoro import LACKING, can_speak, english_model
from mlxq.media.languages import choose
from worker.engines.tts.family import Family, Wish

#: Its letters of languages by their tags. Others need libraries for their phonemes that are not here.
_LANGUAGES = {"en": "a", "en-US": "a", "en-GB": "b"}


class Special(Family):
    @classmethod
    def prepared(cls, path: Path) -> AbstractContextManager[Path]:
        if not can_speak():
            raise NotSupported(LACKING, param="model")
        return super().prepared(path)

    def check(self) -> None:
        from worker.models.kokoro import pipelines

        if not self.voices:
            raise ValueError("it has no voices")
        self.model._pipelines = pipelines(self.model, str(english_model()))

    def arguments(self, wish: Wish) -> dict[str, Any]:
        arguments = super().arguments(wish)
        voice = str(arguments.setdefault("voice", self.voices[0]))
        # A voice is called after its language, by its first letter.
        language = arguments.setdefault("lang_code", voice[0])
        if language not in self.model._pipelines:
            raise InvalidRequest(
                f"The voice '{voice}' can't be used: the model speaks English here.", param="voice"
            )
        return arguments

    def language(self, language: str) -> str:
        return _LANGUAGES[choose(language, _LANGUAGES)]

    def check_text(self, text: str) -> None:
        # Its phonemes are made of Latin letters and of digits; it is silent about all others.
        if not any(sign.isdigit() or "LATIN" in unicodedata.name(sign, "") for sign in text):
            raise InvalidRequest(
                "The model speaks English here: nothing of the text is in Latin letters.",
                param="input",
                code="unsupported_value",
            )
