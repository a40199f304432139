"""GPT-SoVITS: it speaks with the voice of a recording of 3 to 10 seconds, better with its transcript."""

from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from config.settings import Settings
from jobs.errors import InvalidRequest, NotSupported
from mlxq.catalog.families.gpt_sovits import GPT_SOVITS, LACKING, can_speak, dictionary_of
from mlxq.media.languages import choose
from worker.audio import decode
from worker.engines.tts.gpt_sovits.features import HUBERT_RATE
from worker.engines.tts.gpt_sovits.loading import load
from worker.engines.tts.gpt_sovits.model import Recording
from worker.engines.tts.gpt_sovits.style import RATE
from worker.engines.tts.mlx_audio import SpeechModel, SpeechParams, unusable_recording
from worker.engines.tts.pieces import weight

#: The loudest sample of a recording in which nothing is heard.
_SILENT = 1e-3
#: The weight of the longest transcript, see `pieces.weight`: nobody says more in ten seconds.
_LONGEST_TRANSCRIPT = 600
_NAMES = {"zh": "Chinese", "en": "English", "ja": "Japanese"}


class GptSoVITS(SpeechModel):
    #: A sentence or two: the network forgets where it is in longer texts.
    longest = 120
    needs_recording = True

    @classmethod
    def import_library(cls, kind: str) -> None:
        if not can_speak():
            raise NotSupported(LACKING, param="model")
        import_module("worker.engines.tts.gpt_sovits.text.front_end")

    @classmethod
    def load(cls, path: Path, kind: str, settings: Settings) -> Any:
        from worker.engines.tts.gpt_sovits.text.front_end import FrontEnd

        settings.data_dir.mkdir(parents=True, exist_ok=True)
        try:
            return load(path, FrontEnd(settings.data_dir, dictionary_of(path)))
        except ValueError as error:
            raise InvalidRequest(
                f"GPT-SoVITS could not be loaded: {str(error)[:200]}.",
                param="model",
                code="unsupported_model",
            ) from error

    def check_text(self, text: str) -> None:
        if not self.model.front_end.knows(text):
            known = self.model.front_end.languages
            spoken = " and ".join(name for code, name in _NAMES.items() if code in known)
            lacking = (
                "" if "ja" in known else " Japanese needs an extra: `pip install 'mlxq[japanese]'` brings it."
            )
            raise InvalidRequest(
                f"The model has no phonemes for this text: it speaks {spoken} here.{lacking}",
                param="input",
                code="unsupported_value",
            )

    def arguments(self, params: SpeechParams) -> dict[str, object]:
        if weight(params.transcript or "") > _LONGEST_TRANSCRIPT:
            raise InvalidRequest(
                "The transcript is longer than what can be said in a recording of ten seconds.",
                param="reference_text",
            )
        return super().arguments(params)

    def recording(self, path: Path) -> Recording:
        """Raises InvalidRequest for one that is too short, too long or silent."""
        low, high = (np.concatenate(list(decode(path, rate))) for rate in (HUBERT_RATE, RATE))
        fault = GPT_SOVITS.recordings.fault(len(low) / HUBERT_RATE, 1)
        if fault is None and np.abs(low).max() < _SILENT:
            fault = "nothing is heard in it"
        if fault is not None:
            raise unusable_recording(fault)
        return Recording(mx.array(low), mx.array(high), sha256(high.tobytes()).hexdigest())

    def language(self, language: str) -> str:
        return choose(language, self.model.front_end.languages)


MODEL = GptSoVITS
