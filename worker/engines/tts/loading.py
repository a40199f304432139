"""Loads a speech model from its folder, with its library. Call it on the thread that will own it."""

from importlib import import_module
from pathlib import Path

from mlx.utils import tree_reduce
from mlx_audio.tts.utils import get_model_and_args

from config.settings import Settings
from jobs.blobs import BlobStore
from jobs.errors import EngineFailure, InvalidRequest, NotSupported
from mlxq.catalog import ModelRef
from mlxq.catalog.f5_tts import F5_TTS, is_f5_tts
from mlxq.catalog.foreign_json import read_object
from mlxq.catalog.tts import INDEXTTS, KOKORO, QWEN3_TTS, own_voices, speech_type, why_not
from worker.engines.loading import folder as installed_folder
from worker.engines.tts.family import Family
from worker.engines.tts.speech import SpeechEngine

#: Families that need more than the signature of their model's `generate` tells: module and class.
_FAMILIES = {
    QWEN3_TTS: ("qwen3_tts", "Qwen3TTS"),
    INDEXTTS: ("indextts", "IndexTTS"),
    KOKORO: ("kokoro", "Kokoro"),
    F5_TTS: ("f5_tts", "F5TTS"),
}


def folder(ref: ModelRef) -> Path:
    """The model's folder. Raises ModelNotFound, and NotSupported for models that no library loads."""
    reason = why_not(ref.id)
    if reason is not None:
        raise NotSupported(reason, param="model")
    return installed_folder(ref)


def kind_of(ref: ModelRef, path: Path) -> str:
    """The type of the model in this folder; imports its library. Raises InvalidRequest for an unknown family."""
    kind = F5_TTS if is_f5_tts(path) else speech_type(read_object(path / "config.json"), ref.id)
    if kind is None:
        raise InvalidRequest(
            f"The model '{ref.id}' does not speak, or is of a family that is not known.",
            param="model",
            code="unsupported_model",
        )
    family_of(kind)
    if kind != F5_TTS:
        get_model_and_args(kind, [])
    import_module("transformers.models.auto.tokenization_auto")
    return kind


def family_of(kind: str) -> type[Family]:
    """The class of this type of model; its module is imported."""
    if kind not in _FAMILIES:
        return Family
    module, name = _FAMILIES[kind]
    family: type[Family] = getattr(import_module(f"worker.engines.tts.{module}"), name)
    return family


def load(ref: ModelRef, path: Path, kind: str, settings: Settings) -> SpeechEngine:
    """Load the model of this folder. Call it on the thread that will own it."""
    family = family_of(kind)
    model = family.load(path, kind, settings)
    speaker = family(model, own_voices(path))
    try:
        speaker.check()
    except ValueError as error:
        raise EngineFailure(f"The model '{ref.id}' could not be loaded: {error}.") from error
    memory = int(tree_reduce(lambda n, a: n + a.nbytes, model.parameters(), 0))
    return SpeechEngine(
        speaker,
        BlobStore(settings.blob_folder, settings.disk_limit_bytes),
        memory,
        settings.max_reference_seconds,
    )
