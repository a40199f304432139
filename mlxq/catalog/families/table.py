"""All families, a row each, and the questions that are asked of all of them.

This module knows which family a folder or a name belongs to. Everything else a family says itself.
"""

from pathlib import Path
from typing import TypeVar

from mlxq.catalog.families.embedding import EMBEDDINGS
from mlxq.catalog.families.f5_tts import F5_TTS
from mlxq.catalog.families.family import Candidate, Family
from mlxq.catalog.families.flux1 import FLUX1
from mlxq.catalog.families.flux2 import FLUX2
from mlxq.catalog.families.gpt_sovits import GPT_SOVITS
from mlxq.catalog.families.indextts import INDEXTTS
from mlxq.catalog.families.kokoro import KOKORO
from mlxq.catalog.families.language import LANGUAGE_MODELS
from mlxq.catalog.families.mlx_audio import MLX_AUDIO
from mlxq.catalog.families.paraformer import PARAFORMER
from mlxq.catalog.families.parakeet import PARAKEET
from mlxq.catalog.families.qwen3_asr import QWEN3_ASR
from mlxq.catalog.families.qwen3_tts import QWEN3_TTS
from mlxq.catalog.families.reranker import RERANKERS
from mlxq.catalog.families.sensevoice import SENSEVOICE
from mlxq.catalog.families.speech import Recordings, SpeechFamily
from mlxq.catalog.families.system_voice import SYSTEM_VOICE
from mlxq.catalog.families.whisper import WHISPER
from mlxq.catalog.families.z_image import Z_IMAGE
from mlxq.catalog.model_config import config_in

#: The first row that matches counts: the last one matches everything.
FAMILIES: tuple[Family, ...] = (
    Z_IMAGE,
    FLUX2,
    FLUX1,
    PARAFORMER,
    PARAKEET,
    QWEN3_ASR,
    SENSEVOICE,
    WHISPER,
    F5_TTS,
    GPT_SOVITS,
    INDEXTTS,
    KOKORO,
    QWEN3_TTS,
    SYSTEM_VOICE,
    *MLX_AUDIO,
    RERANKERS,
    EMBEDDINGS,
    LANGUAGE_MODELS,
)

Kind = TypeVar("Kind", bound=Family)


def families(kind: type[Kind]) -> list[Kind]:
    """The rows of one kind."""
    return [family for family in FAMILIES if isinstance(family, kind)]


def family_of(candidate: Candidate) -> Family:
    """The family of the model in this folder, whatever its kind."""
    return _first(candidate, Family) or LANGUAGE_MODELS


def family_in(path: Path, model_id: str, kind: type[Kind]) -> Kind | None:
    """Which family of that kind the model in this folder is of; None: of none that is known."""
    return _first(Candidate(model_id, path, config_in(path)), kind)


def family_by_files(path: Path) -> Family | None:
    """The family of a folder that needs no config.json; None: it is recognised by that file."""
    return next((family for family in FAMILIES if family.matches_files(path)), None)


def speech_options(path: Path, model_id: str) -> frozenset[str] | None:
    """Which options have an effect on the speech model in this folder; None: its family is not known."""
    config = config_in(path)
    family = _first(Candidate(model_id, path, config), SpeechFamily)
    return family.options_of(config) if family is not None else None


def speech_voices(path: Path, model_id: str) -> tuple[str, ...]:
    """The names of the voices that the speech model in this folder has of its own."""
    family = family_in(path, model_id, SpeechFamily)
    return family.voices(path) if family is not None else ()


def speech_recordings(family_name: str) -> Recordings:
    """What recordings of a voice the models of a family take, by its name."""
    found = (family.recordings for family in families(SpeechFamily) if family.name == family_name)
    return next(found, Recordings())


def lacking_libraries(name: str) -> str | None:
    """Which libraries a speech model of that name lacks here, for the user; None where none is known of."""
    found = (family.lacking() for family in families(SpeechFamily) if family.is_called(name))
    return next((lacking for lacking in found if lacking), None)


def _first(candidate: Candidate, kind: type[Kind]) -> Kind | None:
    rows = families(kind)
    for family in rows:
        if family.matches_files(candidate.path):
            return family
    return next((family for family in rows if family.matches_config(candidate)), None)
