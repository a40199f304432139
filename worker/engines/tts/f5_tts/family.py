"""F5-TTS: it continues a recording with a known transcript, in its voice; the library contains a default one."""

from pathlib import Path
from typing import Any

import f5_tts_mlx

from config.settings import Settings
from jobs.errors import InvalidRequest, ModelNotFound
from mlxq.catalog.families.f5_tts import F5_TTS, VOCODER, vocoder_of
from worker.engines.tts.f5_tts.loading import load
from worker.engines.tts.mlx_audio import SpeechModel, SpeechParams, unusable_recording
from worker.guard import opened_folder, source_of

#: The library's own recording and its transcript.
_RECORDING = Path(str(f5_tts_mlx.__file__)).parent / "tests" / "test_en_1_ref_short.wav"
_TRANSCRIPT = "Some call me nature, others call me mother nature."


class F5TTS(SpeechModel):
    longest = 160

    @classmethod
    def import_library(cls, kind: str) -> None:
        """This module's imports are all."""

    @classmethod
    def load(cls, path: Path, kind: str, settings: Settings) -> Any:
        vocoder = vocoder_of(source_of(path), settings.model_roots, settings.hub_cache)
        if vocoder is None:
            raise ModelNotFound(
                f"F5-TTS needs the vocoder '{VOCODER}', which is not installed: fetch it with "
                f"`mlxq pull {VOCODER}`, or put its folder beside the model's.",
                param="model",
            )
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        try:
            with opened_folder(vocoder, VOCODER, settings) as viewed:
                return load(path, viewed, settings.data_dir)
        except ValueError as error:
            raise InvalidRequest(
                f"F5-TTS could not be loaded: {str(error)[:200]}.", param="model", code="unsupported_model"
            ) from error

    def check_text(self, text: str) -> None:
        if not self.model.knows(text):
            raise InvalidRequest(
                "The model has no signs for this text: it speaks English and Chinese.",
                param="input",
                code="unsupported_value",
            )

    def arguments(self, params: SpeechParams) -> dict[str, object]:
        if params.recording is None:
            return {"ref_audio": self.recording(_RECORDING), "ref_text": _TRANSCRIPT}
        if not (params.transcript or "").strip():
            raise InvalidRequest(
                "The model has to know what is said in the recording of a voice: give it as 'reference_text', "
                "as 'ref_text' in voices.json, or as TTS_REF_TEXT.",
                param="reference_text",
            )
        arguments = super().arguments(params)
        recording: Any = arguments["ref_audio"]
        if fault := F5_TTS.recordings.fault(recording.shape[0] / self.sample_rate, 1):
            raise unusable_recording(fault)
        return arguments


MODEL = F5TTS
