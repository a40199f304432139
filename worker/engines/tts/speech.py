"""The speech engine: one text at a time, one chunk of its audio in each step, encoded at once.

This module knows payloads, pieces of text and audio. It does not know models (see `family.py`), jobs or HTTP. One
thread owns an engine.
"""

import contextlib
import logging
import tempfile
import wave
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import numpy.typing as npt

from jobs.blobs import JobBlobs
from jobs.blobs.sending import Sending
from jobs.errors import InvalidRequest
from jobs.payloads import SpeechPayload, VoiceReference
from jobs.results import SpeechResult, SpeechUsage
from mlxq.media.formats import SPEECH_TYPES
from worker.audio import decode
from worker.encoder import Encoder
from worker.engines.base import Alive, AudioChunk, Done, Failed, Output, Progress
from worker.engines.failures import failure_of
from worker.engines.tts.mlx_audio import SpeechModel, SpeechParams
from worker.engines.tts.pieces import pieces
from worker.engines.turns import Turns
from worker.time_stretch import TimeStretch

log = logging.getLogger(__name__)

#: Sample rate of the recordings of voices that models get.
_RECORDING_RATE = 24_000
#: Seconds of one look at a file that is being stored: others have their turns in between.
_LOOK = 0.02

Samples = npt.NDArray[np.float32]


@dataclass(slots=True, eq=False)
class _Task:
    """The running request. `live`: the audio is streamed. `held`: bytes that do not fill a group of base64 yet.

    `sending`: its file is being stored, all else is done.
    """

    id: str
    encoder: Encoder
    stretch: TimeStretch | None
    pieces: deque[str]
    arguments: dict[str, object]
    live: bool
    scratch: contextlib.ExitStack
    format: str
    total: int
    tokens: int
    characters: int
    chunks: Iterator[Any] | None = None
    made: int = 0
    done: int = 0
    held: bytes = b""
    sending: Sending | None = None

    @property
    def rests(self) -> bool:
        """Between two pieces of its text: models hold state while they speak one."""
        return self.chunks is None


class SpeechEngine:
    """A speech model and its requests, one of which it runs."""

    capacity = 1
    context_length: int | None = None

    def __init__(
        self, family: SpeechModel, blobs: JobBlobs, memory_bytes: int, longest_recording: float
    ) -> None:
        self.memory_bytes = memory_bytes
        self._family = family
        self._blobs = blobs
        self._longest_recording = longest_recording
        self._tasks = Turns[_Task]()

    def give_way(self, task_id: str) -> None:
        self._tasks.give_way(task_id)

    def add(self, task_id: str, payload: SpeechPayload, seed: int) -> None:
        texts = deque(pieces(payload.input, self._family.longest))
        if not texts:
            raise InvalidRequest("The text has nothing in it that can be said.", param="input")
        self._family.check_text(payload.input)
        speed = 1.0 if payload.speed is None else payload.speed
        reference = payload.reference
        with contextlib.ExitStack() as scratch:
            params = SpeechParams(
                voice=payload.voice,
                instructions=payload.instructions,
                language=payload.language,
                speed=speed,
                recording=None if reference is None else self._recording(reference, scratch),
                transcript=None if reference is None else reference.text,
                default=reference is not None and reference.usual,
            )
            arguments = self._family.arguments(params)
            rate = self._family.sample_rate
            live = payload.stream
            task = _Task(
                id=task_id,
                encoder=Encoder(payload.format, rate, live=live),
                stretch=None if speed == 1 or self._family.own_speed else TimeStretch(rate, speed),
                pieces=texts,
                arguments=arguments,
                live=live,
                scratch=scratch.pop_all(),
                format=payload.format,
                total=len(texts),
                tokens=self._family.tokens(payload.input),
                characters=len(payload.input),
            )
        self._tasks.add(task, seed if payload.seed is None else payload.seed)

    def remove(self, task_id: str) -> None:
        if (task := self._tasks.remove(task_id)) is not None:
            if task.chunks is not None:
                task.chunks.close()  # type: ignore[attr-defined]  # families yield
            task.scratch.close()

    def step(self) -> list[Output]:
        return self._tasks.step(self._step)

    def _step(self, task: _Task) -> list[Output]:
        try:
            return self._advance(task)
        except Exception as error:
            self.remove(task.id)
            return [Failed(task.id, failure_of(error, "speech could not be made"))]

    def tidy(self) -> None:
        if not self._tasks:
            self._family.tidy()
            mx.clear_cache()

    def close(self) -> None:
        for task in self._tasks:
            self.remove(task.id)
        del self._family

    def _advance(self, task: _Task) -> list[Output]:
        """The next chunk of audio; after the last one, the result, once its file is stored."""
        if task.sending is not None:
            # Others have their turns while a network takes it.
            return self._done(task, task.sending) if task.sending.is_stored(_LOOK) else [Alive(task.id)]
        if task.chunks is None:
            task.chunks = self._family.speak(task.pieces.popleft(), task.arguments)
        result = next(task.chunks, None)
        outputs: list[Output] = []
        if result is not None:
            task.made += int(result.token_count)
            outputs += self._tell(task, task.encoder.encode(self._samples(task, result.audio)))
            return outputs or [Alive(task.id)]
        task.chunks = None
        task.done += 1
        if task.pieces:
            outputs.append(Progress(task.id, task.done, task.total, "sentences"))
            return outputs
        return [*outputs, *self._finish(task)]

    def _samples(self, task: _Task, audio: Any) -> Samples:
        """The model's audio, [n], [1, n] or [n, 1], as samples [n] at the requested speed."""
        samples = np.array(audio.astype(mx.float32)).reshape(-1)
        return task.stretch.stretch(samples) if task.stretch is not None else samples

    def _finish(self, task: _Task) -> list[Output]:
        outputs: list[Output] = []
        if task.stretch is not None:
            outputs += self._tell(task, task.encoder.encode(task.stretch.finish()))
        if task.encoder.duration == 0:
            # The text has words, but the model has no phonemes or tokens for them.
            raise InvalidRequest(
                "The model made no sound of this text: it does not know its language or its script.",
                param="input",
                code="unsupported_value",
            )
        outputs += self._tell(task, task.encoder.finish(), last=True)
        task.sending = self._blobs.send(task.encoder.data)
        return [*outputs, *(self._done(task, task.sending) if task.sending.is_stored() else [Alive(task.id)])]

    def _done(self, task: _Task, sending: Sending) -> list[Output]:
        result = SpeechResult(
            audio=sending.id,
            format=task.format,
            content_type=SPEECH_TYPES[task.format],
            duration=round(task.encoder.duration, 3),
            sample_rate=task.encoder.sample_rate,
            characters=task.characters,
            usage=SpeechUsage(task.tokens, task.made),
        )
        self.remove(task.id)
        return [Done(task.id, result)]

    @staticmethod
    def _tell(task: _Task, data: bytes, *, last: bool = False) -> list[Output]:
        """New bytes of a stream. Deltas may be joined, so each but the last has whole groups of base64."""
        if not task.live:
            return []
        data = task.held + data
        end = len(data) if last else len(data) - len(data) % 3
        task.held = data[end:]
        return [AudioChunk(task.id, data[:end])] if end else []

    def _recording(self, reference: VoiceReference, scratch: contextlib.ExitStack) -> Path:
        """The recording of a voice as a WAV file. Raises InvalidRequest for an unusable one."""
        with self._blobs.local(reference.audio) as source:
            samples = list(decode(source, _RECORDING_RATE, self._longest_recording))
        folder = scratch.enter_context(tempfile.TemporaryDirectory(prefix="mlxq-"))
        path = Path(folder) / "voice.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, _RECORDING_RATE, 0, "NONE", "not compressed"))
            for piece in samples:
                file.writeframes(np.clip(np.rint(piece * 32768), -32768, 32767).astype("<i2").tobytes())
        return path
