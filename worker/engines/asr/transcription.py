"""The transcription engine: one recording at a time, one piece of audio per step.

This module knows payloads, pieces and times. It does not know models (see `Reader`), jobs, Redis or HTTP. One thread
owns an engine.
"""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import mlx.core as mx

from config.settings import Settings
from jobs import results
from jobs.blobs import job_blobs
from jobs.payloads import TranscriptionPayload
from jobs.results import TranscriptionResult, TranscriptionUsage
from worker.audio import Samples, decode
from worker.engines.base import Delta, Done, Failed, Output, Progress
from worker.engines.failures import failure_of
from worker.engines.turns import Turns
from worker.timeline import Timeline

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a request. `language` is a code such as `en`; None: the model detects it."""

    language: str | None = None
    prompt: str | None = None
    temperature: float | None = None
    words: bool = False
    translate: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Word:
    word: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of speech, in seconds of the whole recording. Values that a model does not have are None."""

    start: float
    end: float
    text: str
    tokens: list[int] | None = None
    temperature: float | None = None
    avg_logprob: float | None = None
    compression_ratio: float | None = None
    no_speech_prob: float | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """The result of one piece of a recording. The texts of all pieces, joined, are the text."""

    text: str
    segments: list[Segment] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    language: str | None = None


class Recogniser(Protocol):
    """A model for short pieces of audio. `worker.engines.asr.pieces.Pieces` makes a Reader of it."""

    sample_rate: int
    #: seconds of the longest piece that it transcribes well
    piece_seconds: float
    memory_bytes: int

    def recognise(self, audio: Samples, options: Options, offset: float) -> Piece:
        """Transcribe these samples, which begin `offset` seconds into the recording. Times are absolute."""


class Reading(Protocol):
    """One recording that a model reads."""

    #: seconds that have been read
    done: float
    #: whether all of it has been read
    ended: bool

    def step(self) -> Piece | None:
        """Read at most half a minute of audio. None when there is no result yet."""

    def close(self) -> None:
        """Give up what it holds, also before its end."""


@runtime_checkable
class Reader(Protocol):
    """A model for recordings of any length."""

    sample_rate: int
    memory_bytes: int

    def read(self, audio: Iterator[Samples], options: Options) -> Reading:
        """Start a recording. Raises InvalidRequest for options that the model does not support."""


@dataclass(slots=True)
class _Task:
    id: str
    reading: Reading
    #: expected seconds of the recording, until all of it is decoded
    total: float
    clock: "_Clock"
    timeline: Timeline
    #: holds the recording, and what is read of it
    files: contextlib.ExitStack
    #: the progress that was reported last
    told: tuple[int, int] = (0, 0)
    text: str = ""
    #: trailing white space, which is dropped at the end of the text
    held: str = ""
    language: str | None = None
    segments: list[Segment] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    #: it may stand still between any two steps
    rests: ClassVar[bool] = True


class _Clock:
    """Counts the seconds of the samples that pass through."""

    def __init__(self, audio: Iterator[Samples], rate: int) -> None:
        self._audio, self._rate, self._samples = audio, rate, 0
        #: whether all samples have passed
        self.ended = False

    def __iter__(self) -> Iterator[Samples]:
        for samples in self._audio:
            self._samples += len(samples)
            yield samples
        self.ended = True

    @property
    def seconds(self) -> float:
        return self._samples / self._rate


class TranscriptionEngine:
    """A transcription model and its requests, one of which it runs."""

    capacity = 1
    context_length: int | None = None

    def __init__(self, reader: Reader, settings: Settings) -> None:
        self.memory_bytes = reader.memory_bytes
        self._reader = reader
        self._blobs = job_blobs(settings)
        self._longest = settings.max_audio_seconds
        self._tasks = Turns[_Task]()

    def give_way(self, task_id: str) -> None:
        self._tasks.give_way(task_id)

    def add(self, task_id: str, payload: TranscriptionPayload, seed: int) -> None:
        with contextlib.ExitStack() as files:
            path = files.enter_context(self._blobs.local(payload.audio))
            rate, timeline = self._reader.sample_rate, Timeline()
            audio = files.enter_context(contextlib.closing(decode(path, rate, self._longest, timeline)))
            clock = _Clock(audio, rate)
            options = Options(
                language=payload.language,
                prompt=payload.prompt,
                temperature=payload.temperature,
                words=payload.words,
                translate=payload.translate,
                seed=seed if payload.seed is None else payload.seed,
            )
            reading = files.enter_context(contextlib.closing(self._reader.read(iter(clock), options)))
            total = payload.seconds or 0.0
            task = _Task(task_id, reading, total, clock, timeline, files.pop_all())
            self._tasks.add(task, options.seed)

    def remove(self, task_id: str) -> None:
        task = self._tasks.remove(task_id)
        if task is not None:
            task.files.close()

    def step(self) -> list[Output]:
        return self._tasks.step(self._step)

    def _step(self, task: _Task) -> list[Output]:
        try:
            piece = task.reading.step()
        except Exception as error:
            self.remove(task.id)
            return [Failed(task.id, failure_of(error, "a recording could not be transcribed"))]
        outputs = self._tell(task, piece) if piece is not None else []
        ended = task.reading.ended
        total = task.clock.seconds if task.clock.ended else max(task.total, task.clock.seconds)
        done = total if ended else min(task.reading.done, total)
        progress = round(done * 1000), round(total * 1000)
        if progress != task.told and done > 0:
            task.told = progress
            outputs.append(Progress(task.id, *progress, "milliseconds"))
        if ended:
            self.remove(task.id)
            outputs.append(Done(task.id, _result(task)))
        return outputs

    def tidy(self) -> None:
        if not self._tasks:
            mx.clear_cache()

    def close(self) -> None:
        for task in self._tasks:
            self.remove(task.id)
        del self._reader

    @staticmethod
    def _tell(task: _Task, piece: Piece) -> list[Output]:
        """Add a piece to the result. The text has no white space around it."""
        task.language = task.language or piece.language
        task.segments += piece.segments
        task.words += piece.words
        more = task.held + piece.text
        if not task.text:
            more = more.lstrip()
        said = more.rstrip()
        task.held = more[len(said) :]
        task.text += said
        return [Delta(task.id, said)] if said else []


def _result(task: _Task) -> TranscriptionResult:
    duration = round(task.timeline.time(task.clock.seconds), 3)
    spans = _spans(task.segments, task.timeline, duration)
    segments = [
        results.Segment(
            id=number,
            start=start,
            end=end,
            text=each.text,
            tokens=each.tokens,
            temperature=each.temperature,
            avg_logprob=each.avg_logprob,
            compression_ratio=each.compression_ratio,
            no_speech_prob=each.no_speech_prob,
        )
        for number, (each, (start, end)) in enumerate(zip(task.segments, spans, strict=True))
    ]
    words = [
        results.Word(each.word, start, end)
        for each, (start, end) in zip(task.words, _spans(task.words, task.timeline, duration), strict=True)
    ]
    return TranscriptionResult(
        text=task.text,
        language=task.language,
        duration=duration,
        segments=segments,
        words=words,
        usage=TranscriptionUsage(duration),
    )


def _spans(spans: Sequence[Segment | Word], timeline: Timeline, duration: float) -> list[tuple[float, float]]:
    """The spans by the recording's own time; none begins before the one before it."""
    told, last = [], 0.0
    for each in spans:
        start, end = timeline.span(each.start, each.end)
        last = round(min(max(start, last), duration), 3)
        told.append((last, round(min(max(end, last), duration), 3)))
    return told
