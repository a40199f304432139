"""Qwen3-ASR on mlx-audio: a language model for audio. A prompt may contain names and terms.

It detects the language. It has no times within a piece.
"""

from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_whisper.tokenizer import LANGUAGES

from mlxq.media.languages import choose
from worker.audio import Samples
from worker.engines.asr.shared import check, load_stt
from worker.engines.asr.transcription import Options, Piece, Segment
from worker.engines.weights import weight_bytes

_CODES = {name: code for code, name in LANGUAGES.items()}
#: Upper bound of tokens per second of speech: a model that exceeds it repeats itself.
_TOKENS_PER_SECOND = 20
_FEWEST_TOKENS = 64


class Qwen3Asr:
    piece_seconds = 30.0

    def __init__(self, model: Any) -> None:
        self._model = model
        self.sample_rate = int(model.sample_rate)
        self.memory_bytes = weight_bytes(model)
        self._languages = model.config.support_languages or tuple(LANGUAGES.values())

    def recognise(self, audio: Samples, options: Options, offset: float) -> Piece:
        check(options, words=False)
        seconds = len(audio) / self.sample_rate
        if options.temperature:
            mx.random.seed((options.seed + round(offset * 1000)) % 2**64)
        said = self._model.generate(
            audio,
            language=options.language and choose(options.language, self._languages),
            system_prompt=options.prompt,
            temperature=options.temperature or 0.0,
            max_tokens=max(_FEWEST_TOKENS, round(seconds * _TOKENS_PER_SECOND)),
        )
        text = said.text.strip()
        heard = (said.language or [None])[0]
        language = options.language or _CODES.get(str(heard).lower())
        return Piece(text, [Segment(offset, offset + seconds, text)] if text else [], language=language)


def load(path: Path) -> Qwen3Asr:
    return Qwen3Asr(load_stt(path, "qwen3_asr"))
