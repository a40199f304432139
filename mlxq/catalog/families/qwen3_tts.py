"""Qwen3-TTS: `base` clones voices, `custom_voice` has speakers, `voice_design` makes a voice of a description."""

from pathlib import Path

from config.values import JsonObject
from mlxq.catalog.families.speech import INSTRUCTIONS, LANGUAGE, REFERENCE_TEXT, SpeechFamily
from mlxq.catalog.model_config import config_in


class Qwen3TTS(SpeechFamily):
    def options_of(self, config: JsonObject) -> frozenset[str]:
        base = config.get("tts_model_type", "base") == "base"
        return self.options - ({INSTRUCTIONS} if base else {REFERENCE_TEXT})

    def voices(self, path: Path) -> tuple[str, ...]:
        talker = config_in(path).get("talker_config")
        speakers = talker.get("spk_id") if isinstance(talker, dict) else None
        return tuple(speakers) if isinstance(speakers, dict) else super().voices(path)


QWEN3_TTS = Qwen3TTS(name="qwen3_tts", options=frozenset({REFERENCE_TEXT, LANGUAGE, INSTRUCTIONS}))
