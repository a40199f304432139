"""A speech model from its folder, by its library. Everything is for the thread that will own it."""

from importlib import import_module
from pathlib import Path
from typing import Any

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

#: Families that the signature of their model does not say all about.
_SPECIAL = {QWEN3_TTS: "qwen3_tts", INDEXTTS: "indextts", KOKORO: "kokoro", F5_TTS: "f5_tts"}


def folder(ref: ModelRef) -> Path:
    """Where the model lies. Raises ModelNotFound, and NotSupported when nothing could load it."""
    reason = why_not(ref.id)
    if reason is not None:
        raise NotSupported(reason, param="model")
    return installed_folder(ref)


def kind_of(ref: ModelRef, path: Path) -> str:
    """The type of the model in this folder; its library is imported. Raises InvalidRequest when it does not speak."""
    kind = F5_TTS if is_f5_tts(path) else speech_type(read_object(path / "config.json"), ref.id)
    if kind is None:
        raise InvalidRequest(
            f"The model '{ref.id}' does not speak, or is of a family that is not known.",
            param="model",
            code="unsupported_model",
        )
    if kind in _SPECIAL:
        import_module(f"worker.engines.tts.{_SPECIAL[kind]}")
    if kind != F5_TTS:
        get_model_and_args(kind, [])
    import_module("transformers.models.auto.tokenization_auto")
    return kind


def load(ref: ModelRef, path: Path, kind: str, settings: Settings) -> SpeechEngine:
    """Load the model of this folder. For the owner thread."""
    special: Any = import_module(f"worker.engines.tts.{_SPECIAL[kind]}") if kind in _SPECIAL else None
    family: type[Family] = special.Special if special else Family
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
