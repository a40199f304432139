"""Kokoro: built-in voices, in English. The libraries that make its phonemes are an extra of this server."""

import unicodedata
from contextlib import AbstractContextManager
from pathlib import Path

from jobs.errors import InvalidRequest, NotSupported
from mlxq.catalog.families.kokoro import LACKING, can_speak, english_model
from mlxq.media.languages import choose
from worker.engines.tts.mlx_audio import SpeechModel, SpeechParams

#: The letters of its languages by their tags. Other languages need libraries that are not installed.
_LANGUAGES = {"en": "a", "en-US": "a", "en-GB": "b"}


class Kokoro(SpeechModel):
    @classmethod
    def prepared(cls, path: Path) -> AbstractContextManager[Path]:
        if not can_speak():
            raise NotSupported(LACKING, param="model")
        return super().prepared(path)

    def check(self) -> None:
        from worker.engines.tts.kokoro.pipelines import pipelines

        if not self.voices:
            raise ValueError("it has no voices")
        self.model._pipelines = pipelines(self.model, str(english_model()))

    def arguments(self, params: SpeechParams) -> dict[str, object]:
        arguments = super().arguments(params)
        voice = str(arguments.setdefault("voice", self.voices[0]))
        # The first letter of a voice's name is its language.
        language = arguments.setdefault("lang_code", voice[0])
        if language not in self.model._pipelines:
            raise InvalidRequest(
                f"The voice '{voice}' can't be used: the model speaks English here.", param="voice"
            )
        return arguments

    def language(self, language: str) -> str:
        return _LANGUAGES[choose(language, _LANGUAGES)]

    def check_text(self, text: str) -> None:
        # Phonemes are made of Latin letters and digits only.
        if not any(sign.isdigit() or "LATIN" in unicodedata.name(sign, "") for sign in text):
            raise InvalidRequest(
                "The model speaks English here: nothing of the text is in Latin letters.",
                param="input",
                code="unsupported_value",
            )


MODEL = Kokoro
