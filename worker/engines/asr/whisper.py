"""Whisper on mlx-whisper: windows of half a minute, each with the text of those before it as context.

The result equals that of mlx_whisper.transcribe for the whole recording; here windows are decoded one after another,
in small steps and in constant memory.
"""

import codecs
import math
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, TypedDict

import mlx.core as mx
import numpy as np
from mlx_whisper.audio import FRAMES_PER_SECOND, HOP_LENGTH, N_FRAMES, SAMPLE_RATE
from mlx_whisper.decoding import DecodingOptions, DecodingResult
from mlx_whisper.timing import add_word_timestamps
from mlx_whisper.tokenizer import LANGUAGES, get_tokenizer

from jobs.errors import EngineFailure, InvalidRequest
from mlxq.media.languages import choose
from worker.audio import Samples
from worker.engines.asr.transcription import Options, Piece, Segment, Word
from worker.engines.asr.whisper_decoding import WindowTask
from worker.engines.asr.whisper_files import load_whisper
from worker.engines.asr.whisper_mel import Spectrogram, padded
from worker.engines.weights import weight_bytes

#: The values of mlx_whisper.transcribe.
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_TOO_REPETITIVE, _TOO_UNLIKELY, _SILENCE = 2.4, -1.0, 0.6
#: Above this temperature a text is too uncertain to be context of the next window.
_GUESS = 0.5

#: Seconds of audio that are decoded in one step.
_READ_SECONDS = 60


class _Timed(TypedDict):
    """A word, as the library writes it."""

    word: str
    start: float
    end: float


class _Segment(TypedDict):
    """A segment, as the library writes it."""

    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    words: list[_Timed]


class Whisper:
    sample_rate = SAMPLE_RATE

    def __init__(self, model: Any, dtype: mx.Dtype) -> None:
        self.memory_bytes = weight_bytes(model)
        self._model = model
        self._dtype = dtype

    def read(self, audio: Iterator[Samples], options: Options) -> "WhisperReading":
        # Cantonese came with large-v3.
        known = list(LANGUAGES)[: self._model.num_languages]
        language = options.language and choose(options.language, known)
        if not self._model.is_multilingual and (options.translate or language not in (None, "en")):
            raise InvalidRequest("This model hears English only.", param="language", code="unsupported_value")
        return WhisperReading(self._model, self._dtype, audio, options, language)


class WhisperReading:
    """One recording: its decoded frames, the start of the next window, and the text so far."""

    def __init__(
        self, model: Any, dtype: mx.Dtype, audio: Iterator[Samples], options: Options, language: str | None
    ) -> None:
        self.done = 0.0
        self.ended = False
        self._model = model
        self._dtype = dtype
        self._audio = audio
        self._options = options
        self._language = language
        self._mel = Spectrogram(model.dims.n_mels)
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        #: frames of the spectrogram that have been read
        self._seek = 0
        self._spoken_until = 0.0
        #: tokens of earlier windows, the context of the next one
        self._context: list[int] = []
        mx.random.seed(options.seed % 2**64)
        self._steps = self._run()

    def step(self) -> Piece | None:
        try:
            return next(self._steps)
        except StopIteration:
            self.ended = True
            self.close()
            return Piece(self._utf8.decode(b"", final=True), language=self._language)

    def close(self) -> None:
        self._steps.close()
        self._mel.close()

    def _run(self) -> Generator[Piece | None, None, None]:
        read = 0
        for samples in self._audio:
            self._mel.write(samples)
            read += len(samples)
            if read >= _READ_SECONDS * SAMPLE_RATE:
                read = 0
                yield None
        self._mel.finish()
        if self._language is None:
            self._language = self._detect()
        task = "translate" if self._options.translate else "transcribe"
        self._tokenizer = get_tokenizer(
            self._model.is_multilingual,
            num_languages=self._model.num_languages,
            language=self._language,
            task=task,
        )
        if self._options.prompt:
            # Markers in it are text.
            self._context = self._tokenizer.encode(" " + self._options.prompt.strip(), disallowed_special=())
        while self._seek < self._mel.length:
            size = min(N_FRAMES, self._mel.length - self._seek)
            mel = padded(self._mel.frames(self._seek, size)).astype(self._dtype)
            features = self._model.encoder(mel[None])
            mx.eval(features)
            yield None
            result = yield from self._decode(features, task)
            yield self._take(result, mel, size)
            self.done = min(self._seek, self._mel.length) / FRAMES_PER_SECOND

    def _detect(self) -> str:
        if not self._model.is_multilingual:
            return "en"
        _, likely = self._model.detect_language(self._mel.frames(0, N_FRAMES).astype(self._dtype))
        language: str = max(likely, key=likely.__getitem__)
        return language

    def _decode(self, features: mx.array, task: str) -> Generator[None, None, DecodingResult]:
        """The window's text at the lowest temperature whose text is good enough."""
        temperatures = (self._options.temperature,) if self._options.temperature else TEMPERATURES
        result: Any = None
        for temperature in temperatures:
            options = DecodingOptions(
                task=task,
                language=self._language,
                temperature=temperature,
                prompt=self._context,
                fp16=self._dtype == mx.float16,
            )
            result = yield from WindowTask(self._model, options).steps(features)
            if math.isnan(result.avg_logprob):
                raise EngineFailure(
                    f"The model made no numbers of the audio after {self._seek / FRAMES_PER_SECOND:.0f} s."
                )
            if result.no_speech_prob > _SILENCE or not (
                result.compression_ratio > _TOO_REPETITIVE or result.avg_logprob < _TOO_UNLIKELY
            ):
                break
        return result

    def _take(self, result: DecodingResult, mel: mx.array, size: int) -> Piece | None:
        """The window's result; moves on to the next window."""
        if result.no_speech_prob > _SILENCE and result.avg_logprob <= _TOO_UNLIKELY:
            self._seek += size
            return None
        begin = self._seek
        segments, closed = self._segments(result, size)
        if self._options.words:
            self._time_words(segments, mel, size, closed=closed)
        if self._seek <= begin:
            self._seek = begin + size
        for segment in segments:
            if segment["start"] == segment["end"] or not segment["text"].strip():
                segment["text"], segment["tokens"], segment["words"] = "", [], []
        tokens = [token for segment in segments for token in segment["tokens"]]
        self._context = (
            [] if result.temperature > _GUESS else (self._context + tokens)[-self._model.dims.n_text_ctx :]
        )
        return Piece(self._text(tokens), *self._converted(segments), language=self._language)

    def _segments(self, result: DecodingResult, size: int) -> tuple[list[_Segment], bool]:
        """The window's segments; True when its end is silent. Moves on to the end of the last complete segment."""
        tokens = np.array(result.tokens)
        begin = self._tokenizer.timestamp_begin
        stride = N_FRAMES // self._model.dims.n_audio_ctx
        offset, precision = self._seek / FRAMES_PER_SECOND, stride * HOP_LENGTH / SAMPLE_RATE
        is_time = tokens >= begin
        closed = is_time[-2:].tolist() == [False, True]
        cuts = (np.flatnonzero(is_time[:-1] & is_time[1:]) + 1).tolist()
        if not cuts:
            times = tokens[is_time]
            length = size * HOP_LENGTH / SAMPLE_RATE
            if len(times) and times[-1] != begin:
                length = int(times[-1] - begin) * precision
            segment = self._segment(offset, offset + length, tokens, result)
            self._seek += size
            return [segment], closed
        if closed:
            cuts.append(len(tokens))
        segments, last = [], 0
        for cut in cuts:
            part = tokens[last:cut]
            start, end = (int(part[place] - begin) * precision for place in (0, -1))
            segments.append(self._segment(offset + start, offset + end, part, result))
            last = cut
        self._seek += size if closed else int(tokens[last - 1] - begin) * stride
        return segments, closed

    def _segment(self, start: float, end: float, tokens: Any, result: DecodingResult) -> _Segment:
        ids = tokens.tolist()
        return {
            "seek": self._seek,
            "start": start,
            "end": end,
            "text": self._tokenizer.decode([token for token in ids if token < self._tokenizer.eot]),
            "tokens": ids,
            "temperature": result.temperature,
            "avg_logprob": result.avg_logprob,
            "compression_ratio": result.compression_ratio,
            "no_speech_prob": result.no_speech_prob,
            "words": [],
        }

    def _time_words(self, segments: list[_Segment], mel: mx.array, size: int, *, closed: bool) -> None:
        offset = segments[0]["seek"] / FRAMES_PER_SECOND
        add_word_timestamps(
            segments=segments,
            model=self._model,
            tokenizer=self._tokenizer,
            mel=mel,
            num_frames=size,
            last_speech_timestamp=self._spoken_until,
        )
        ends = [word["end"] for segment in segments for word in segment["words"]]
        end = ends[-1] if ends else segments[-1]["end"]
        if not closed and end > offset:
            self._seek = round(end * FRAMES_PER_SECOND)
        self._spoken_until = end

    def _text(self, tokens: list[int]) -> str:
        """The text of these tokens, after earlier ones: a character may be split between both."""
        begin = self._tokenizer.timestamp_begin
        data = self._tokenizer.encoding.decode_bytes([token for token in tokens if token < begin])
        return self._utf8.decode(data)

    @staticmethod
    def _converted(segments: list[_Segment]) -> tuple[list[Segment], list[Word]]:
        told = [
            Segment(
                start=float(segment["start"]),
                end=float(segment["end"]),
                text=segment["text"],
                tokens=segment["tokens"],
                temperature=segment["temperature"],
                avg_logprob=segment["avg_logprob"],
                compression_ratio=segment["compression_ratio"],
                no_speech_prob=segment["no_speech_prob"],
            )
            for segment in segments
            if segment["text"]
        ]
        words = [
            Word(word["word"].strip(), float(word["start"]), float(word["end"]))
            for segment in segments
            for word in segment["words"]
        ]
        return told, words


def load(path: Path) -> Whisper:
    return Whisper(*load_whisper(path))
