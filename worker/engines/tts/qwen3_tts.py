"""Qwen3-TTS: `base` clones voices, `custom_voice` has speakers, `voice_design` makes a voice from a description."""

from jobs.errors import InvalidRequest
from mlxq.media.languages import choose
from worker.engines.tts.mlx_audio import SpeechModel, SpeechParams

#: Number of cloned voices in the library's own cache, which has no bound.
_CACHED_VOICES = 16


class Qwen3TTS(SpeechModel):
    def check(self) -> None:
        # The library only prints when these fail.
        if self.model.tokenizer is None or not self.model.tokenizer.encode("a"):
            raise ValueError("its tokenizer could not be read")
        if self.model.speech_tokenizer is None:
            raise ValueError("its speech_tokenizer could not be read")

    @property
    def clones(self) -> bool:
        return bool(self.model.config.tts_model_type == "base")

    @property
    def why_not(self) -> str:
        return f"it is of the kind '{self.model.config.tts_model_type}', not 'base'"

    def arguments(self, params: SpeechParams) -> dict[str, object]:
        kind = self.model.config.tts_model_type
        if kind == "voice_design" and not params.instructions:
            raise InvalidRequest(
                "The model makes a voice of its description: 'instructions' is required.",
                param="instructions",
            )
        arguments = super().arguments(params)
        if kind == "custom_voice":
            arguments.setdefault("voice", self.voices[0])
        return arguments

    def language(self, language: str) -> str:
        return choose(language, [each.lower() for each in self.model.get_supported_languages()])

    def tidy(self) -> None:
        cached = self.model._icl_cache
        while len(cached) > _CACHED_VOICES:
            del cached[next(iter(cached))]


MODEL = Qwen3TTS
