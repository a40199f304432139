"""Which models speak, by mlx-audio's names of types, which voices they bring along, and which can't be served."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlxq.catalog.f5_tts import F5_TTS
from mlxq.catalog.foreign_json import read_object
from mlxq.catalog.model_config import LONGEST

QWEN3_TTS, INDEXTTS, KOKORO = "qwen3_tts", "indextts", "kokoro"

#: `model_type`s of config.json that only a speaking model has. A test compares them with the library's.
TYPES = frozenset(
    (
        *("arktts", "audiodit", "bailingmm", "bark", "breeze", "breeze-tts", "breeze_tts", "chatterbox"),
        *(
            "chatterbox_turbo",
            "confucius4",
            "csm",
            "dia",
            "dramabox",
            "dramabox-tts",
            "echo_tts",
            "fish_drama3",
        ),
        *("fish_qwen3_omni", "gradium_phonon_tts", "higgs_audio", "higgs_audio_v3", "higgs_multimodal_qwen3"),
        *("indextts", "irodori_tts", "kitten", "kitten_tts", "kokoro", "kugelaudio", "lingv3_tts", "longcat"),
        *("longcat_audiodit", "marvis", "melotts", "moss_tts", "moss_tts_delay", "moss_tts_local"),
        *(
            "moss_tts_nano",
            "omnivoice",
            "outetts",
            "pocket_tts",
            "qwen3_tts",
            "rumik_oss",
            "sesame",
            "soprano",
        ),
        *(
            "spark",
            "tada",
            "vibevoice",
            "vibevoice_streaming",
            "voxcpm",
            "voxcpm1.5",
            "voxcpm2",
            "voxtral_tts",
        ),
        "zonos2",
    )
)
#: Types whose config.json has another model's, or none, by a word of their name.
_NAMED = {"orpheus": "llama", "outetts": "outetts", "spark-tts": "spark", "vyvotts": "qwen3"}
#: What config.json holds of the types that don't say which they are.
_SHAPES: tuple[tuple[str, frozenset[str]], ...] = (
    ("indextts", frozenset({"bigvgan", "gpt"})),
    ("kokoro", frozenset({"istftnet", "plbert"})),
    ("pocket_tts", frozenset({"flow_lm", "mimi"})),
)

_INSTEAD = (
    "Qwen3-TTS speaks and clones voices, as mlx-community/Qwen3-TTS-12Hz-0.6B-Base-bf16; so does IndexTTS."
)
#: Families that clients of other servers ask for, by a part of their names, and why they are not served.
_UNSERVED = {
    "gpt-sovits": f"GPT-SoVITS is not supported yet: no library for MLX has it. {_INSTEAD}",
}


#: OpenAI's names. Programs that know no other voice ask for them; each is a voice of the model's own, if it has any.
OPENAI_VOICES = (
    *("alloy", "ash", "ballad", "coral", "echo", "fable", "nova"),
    *("onyx", "sage", "shimmer", "verse", "marin", "cedar"),
)


def speech_type(config: Mapping[str, Any], model_id: str) -> str | None:
    """The type of a model that speaks; None for one that does not."""
    said = str(config.get("model_type") or config.get("architecture") or "").lower()
    if said in TYPES or said == F5_TTS:
        return said
    if said == "llama" and "acoustic_dim" in config:
        return "tada"
    if not said:
        for name, keys in _SHAPES:
            if keys <= config.keys():
                return name
    lowered = model_id.lower().replace("_", "-")
    return next((name for word, name in _NAMED.items() if word in lowered), None)


def why_not(model_id: str) -> str | None:
    """Why no model of that name can be served, for the user; None when nothing speaks against it."""
    lowered = model_id.lower().replace("_", "-")
    return next((reason for name, reason in _UNSERVED.items() if name in lowered), None)


def own_voices(path: Path) -> tuple[str, ...]:
    """The names of the voices that a model brings along, as far as its folder tells."""
    talker = read_object(path / "config.json", LONGEST).get("talker_config")
    speakers = talker.get("spk_id") if isinstance(talker, dict) else None
    if isinstance(speakers, dict):
        return tuple(speakers)
    try:
        files = [file.name for file in os.scandir(path / "voices")]
    except OSError:
        return ()
    names = (Path(name) for name in files if name.isprintable())
    return tuple(sorted({name.stem for name in names if name.suffix in (".safetensors", ".npy")}))


def own_voice(name: str, voices: tuple[str, ...]) -> str | None:
    """Which of a model's own voices a name means, in any case; one of OpenAI's names means the same one each time."""
    wanted = name.casefold()
    for voice in voices:
        if voice.casefold() == wanted:
            return voice
    if wanted not in OPENAI_VOICES or not voices:
        return None
    # Kokoro's are called after OpenAI's: af_alloy, am_echo.
    alike = next((voice for voice in voices if voice.casefold().endswith(f"_{wanted}")), None)
    return alike or voices[OPENAI_VOICES.index(wanted) % len(voices)]
