"""SenseVoice on mlx-audio: one pass per piece, for Chinese, Cantonese, English, Japanese and Korean.

It detects the language. It has no times within a piece.
"""

from pathlib import Path
from typing import Any

from mlxq.media.languages import choose
from worker.audio import Samples
from worker.engines.asr.shared import check, load_stt
from worker.engines.asr.transcription import Options, Piece, Segment
from worker.engines.weights import weight_bytes

_LANGUAGES = ("zh", "en", "yue", "ja", "ko")


class SenseVoice:
    piece_seconds = 20.0

    def __init__(self, model: Any) -> None:
        self._model = model
        self.sample_rate = int(model.config.frontend_conf.fs)
        self.memory_bytes = weight_bytes(model)
        front = model.config.frontend_conf
        #: one window of the front end
        self._shortest = int(front.frame_length * self.sample_rate / 1000)

    def recognise(self, audio: Samples, options: Options, offset: float) -> Piece:
        check(options, words=False)
        if len(audio) < self._shortest:
            return Piece("")
        asked = options.language and choose(options.language, _LANGUAGES)
        said = self._model.generate(audio, language=asked or "auto", use_itn=True)
        language = asked or (said.language if said.language in _LANGUAGES else None)
        text = said.text.strip()
        end = offset + len(audio) / self.sample_rate
        return Piece(text, [Segment(offset, end, text)] if text else [], language=language)


def load(path: Path) -> SenseVoice:
    return SenseVoice(load_stt(path, "sensevoice"))
