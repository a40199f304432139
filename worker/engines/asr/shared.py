"""What the families of mlx-audio share: loading, and which options no model of it supports."""

from pathlib import Path
from typing import Any

from mlx.utils import tree_flatten
from mlx_audio.stt.utils import load_model
from mlx_audio.utils import load_weights

from jobs.errors import InvalidRequest
from worker.engines.asr.transcription import Options


def load_stt(path: Path, family: str) -> Any:
    """mlx-audio's model in this folder. Raises InvalidRequest for one that lacks weights."""
    model: Any = load_model(path, model_type=family)
    # Extra weights do no harm; missing ones would stay random.
    there = load_weights(path)
    there = model.sanitize(there) if hasattr(model, "sanitize") else there
    needed: Any = tree_flatten(model.parameters())
    if missing := sorted({name for name, _ in needed} - there.keys()):
        raise InvalidRequest(
            f"The model's files lack {len(missing)} of its weights, '{missing[0]}' for one.", param="model"
        )
    return model


def check(options: Options, *, words: bool) -> None:
    """Raises InvalidRequest for options that no model of mlx-audio has, and for times of words without support."""
    if options.translate:
        raise InvalidRequest("This model does not translate.", param="model", code="unsupported_value")
    if options.words and not words:
        raise InvalidRequest(
            "This model knows no times of words.", param="timestamp_granularities", code="unsupported_value"
        )
