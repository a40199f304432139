"""What models that speak listen to beside a text and a voice. A test compares this with the libraries' signatures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlxq.catalog.f5_tts import F5_TTS, is_f5_tts
from mlxq.catalog.foreign_json import read_object
from mlxq.catalog.model_config import LONGEST
from mlxq.catalog.tts import QWEN3_TTS, speech_type

#: Types that are told what is said in the recording of a voice.
TRANSCRIPT = frozenset(
    (
        F5_TTS,
        *("arktts", "audiodit", "bailingmm", "breeze", "breeze-tts", "breeze_tts", "csm", "dia"),
        *("fish_drama3", "fish_qwen3_omni", "higgs_audio", "higgs_audio_v3", "higgs_multimodal_qwen3"),
        *("lingv3_tts", "longcat", "longcat_audiodit", "marvis", "moss_tts", "moss_tts_delay"),
        *("moss_tts_local", "moss_tts_nano", "omnivoice", "qwen3_tts", "sesame", "tada", "voxcpm"),
        *("voxcpm1.5", "voxcpm2", "zonos2"),
    )
)
#: Types that are told the language.
LANGUAGE = frozenset(
    (
        *("audiodit", "bailingmm", "chatterbox", "confucius4", "kokoro", "lingv3_tts", "longcat"),
        *("longcat_audiodit", "melotts", "omnivoice", "qwen3_tts", "zonos2"),
    )
)
#: Types that are told how to speak.
INSTRUCTIONS = frozenset(
    (
        *("bailingmm", "breeze", "breeze-tts", "breeze_tts", "fish_drama3", "fish_qwen3_omni", "lingv3_tts"),
        *("omnivoice", "qwen3_tts", "rumik_oss", "voxcpm2"),
    )
)


def options_of(path: Path, model_id: str) -> frozenset[str] | None:
    """Which of `reference_text`, `language` and `instructions` count for the model in this folder.

    None: its type is not known here.
    """
    config = _config(path)
    kind = F5_TTS if is_f5_tts(path) else speech_type(config, model_id)
    if kind is None:
        return None
    taken = {
        name
        for name, kinds in (
            ("reference_text", TRANSCRIPT),
            ("language", LANGUAGE),
            ("instructions", INSTRUCTIONS),
        )
        if kind in kinds
    }
    if kind == QWEN3_TTS:
        # One of its kinds clones voices, the others listen to descriptions.
        base = config.get("tts_model_type", "base") == "base"
        taken -= {"instructions"} if base else {"reference_text"}
    return frozenset(taken)


def _config(path: Path) -> Mapping[str, Any]:
    return read_object(path / "config.json", LONGEST)
