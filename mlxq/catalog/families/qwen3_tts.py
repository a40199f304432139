"""Qwen3-TTS: `base` clones voices, `custom_voice` has speakers, `voice_design` makes a voice of a description."""

from pathlib import Path

from config.values import JsonObject
from mlxq.catalog.families.speech import INSTRUCTIONS, LANGUAGE, REFERENCE_TEXT, SpeechFamily
from mlxq.catalog.model_config import config_in

#: Without them the library makes a codec of random numbers, and what is spoken is noise.
_CODEC = ("speech_tokenizer/config.json", "speech_tokenizer/*.safetensors")


class Qwen3TTS(SpeechFamily):
    def missing_files(self, path: Path) -> list[str]:
        return [pattern for pattern in _CODEC if not any(path.glob(pattern))]

    def options_of(self, config: JsonObject) -> frozenset[str]:
        base = config.get("tts_model_type", "base") == "base"
        return self.options - ({INSTRUCTIONS} if base else {REFERENCE_TEXT})

    def voices(self, path: Path) -> tuple[str, ...]:
        talker = config_in(path).get("talker_config")
        speakers = talker.get("spk_id") if isinstance(talker, dict) else None
        return tuple(speakers) if isinstance(speakers, dict) else super().voices(path)


QWEN3_TTS = Qwen3TTS(name="qwen3_tts", options=frozenset({REFERENCE_TEXT, LANGUAGE, INSTRUCTIONS}))
