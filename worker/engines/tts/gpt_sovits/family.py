"""GPT-SoVITS: it speaks with the voice of a recording of 3 to 10 seconds, better with its transcript."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from config.settings import Settings
from jobs.errors import EngineFailure, InvalidRequest, NotSupported
from mlxq.catalog.families.gpt_sovits import LACKING, can_speak, dictionary_of
from mlxq.media.languages import choose
from worker.audio import decode
from worker.engines.tts.gpt_sovits.features import HUBERT_RATE
from worker.engines.tts.gpt_sovits.model import Recording
from worker.engines.tts.gpt_sovits.style import RATE
from worker.engines.tts.mlx_audio import SpeechModel, SpeechParams

#: Seconds of a recording, and the loudest sample of one in which nothing is heard.
_SHORTEST, _LONGEST, _SILENT = 3, 10, 1e-3
_NAMES = {"zh": "Chinese", "en": "English", "ja": "Japanese"}


class GptSoVITS(SpeechModel):
    #: A sentence or two: the network forgets where it is in longer texts.
    longest = 120

    @classmethod
    def import_library(cls, kind: str) -> None:
        if not can_speak():
            raise NotSupported(LACKING, param="model")

    @classmethod
    def load(cls, path: Path, kind: str, settings: Settings) -> Any:
        from worker.engines.tts.gpt_sovits.loading import load
        from worker.engines.tts.gpt_sovits.text.front_end import FrontEnd

        settings.data_dir.mkdir(parents=True, exist_ok=True)
        try:
            return load(path, FrontEnd(settings.data_dir, dictionary_of(path)))
        except ValueError as error:
            raise EngineFailure(f"The GPT-SoVITS could not be loaded: {str(error)[:200]}.") from error

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
        if params.recording is None:
            raise InvalidRequest(
                "The model speaks with the voice of a recording: name one of voices.json, give 'reference_audio', "
                "or set TTS_REF_AUDIO.",
                param="voice",
            )
        return super().arguments(params)

    def recording(self, path: Path) -> Recording:
        """Raises InvalidRequest for one that is too short, too long or silent."""
        low, high = (np.concatenate(list(decode(path, rate))) for rate in (HUBERT_RATE, RATE))
        seconds = len(low) / HUBERT_RATE
        if not _SHORTEST <= seconds <= _LONGEST:
            raise InvalidRequest(
                f"The model takes recordings of a voice of {_SHORTEST} to {_LONGEST} seconds: this one has "
                f"{seconds:.1f}.",
                param="voice",
                code="invalid_audio",
            )
        if np.abs(low).max() < _SILENT:
            raise InvalidRequest("Nothing is heard in the recording.", param="voice", code="invalid_audio")
        return Recording(mx.array(low), mx.array(high), sha256(high.tobytes()).hexdigest())

    def language(self, language: str) -> str:
        return choose(language, self.model.front_end.languages)


MODEL = GptSoVITS
