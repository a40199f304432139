"""Sound as a stream: from a job's events to the bytes of its file, plain or in OpenAI's frames."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

from api.dispatch.call import next_event, result_of
from api.dispatch.frames import Frames
from api.dispatch.progress import JobProgress
from api.http.answers.sse import data_frame
from api.http.context import Context
from api.openai.dialect import OPENAI
from api.openai.speech.render import usage
from jobs.bus import Watch
from jobs.errors import MlxqError
from jobs.events import AudioChunk, Entry, Event, Reset
from jobs.results import SpeechResult


@dataclass(slots=True)
class Sound:
    """The bytes of a job's file, in order, each of them once: also when the job is run again, or half of it is over.

    A job that is run again makes the same bytes: its seed is the same, and its encoder leaves nothing to chance.
    """

    context: Context
    result: SpeechResult | None = None
    _given: int = 0
    _seen: int = 0

    async def hear(self, event: Event) -> bytes:
        """What is new by this event. With the last one `result` is there; raises the job's error."""
        if isinstance(event, AudioChunk):
            data = event.audio
            new = data[max(0, self._given - self._seen) :]
            self._seen += len(data)
            self._given = max(self._given, self._seen)
            return new
        if isinstance(event, Reset):
            self._seen = 0
        elif event.terminal:
            self.result = msgspec.json.decode(result_of(event), type=SpeechResult)
            file = await asyncio.to_thread(self.context.blobs.read, self.result.audio)
            return file[self._given :]
        return b""


async def pieces(context: Context, watch: Watch) -> AsyncIterator[bytes]:
    """All bytes of a job's file as they come."""
    sound = Sound(context)
    while sound.result is None:
        entry = await next_event(watch, None)
        if entry is not None and (data := await sound.hear(entry.event)):
            yield data


class PlainSpeech(Frames):
    """The file itself. It has no room for keep-alives; one that fails breaks off."""

    def __init__(self, context: Context) -> None:
        self._sound = Sound(context)

    async def of(self, entry: Entry) -> bytes:
        return await self._sound.hear(entry.event)

    async def end(self, entry: Entry) -> AsyncIterator[bytes]:
        yield await self._sound.hear(entry.event)

    def alive(self, progress: JobProgress) -> bytes:
        return b""

    def failed(self, error: MlxqError) -> None:
        return None


class FramedSpeech(Frames):
    """`speech.audio.delta` and `speech.audio.done`."""

    def __init__(self, context: Context) -> None:
        self._sound = Sound(context)

    async def of(self, entry: Entry) -> bytes:
        data = await self._sound.hear(entry.event)
        return data and data_frame({"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()})

    async def end(self, entry: Entry) -> AsyncIterator[bytes]:
        yield await self.of(entry)
        assert self._sound.result is not None
        counts = usage(self._sound.result.usage)
        yield data_frame({"type": "speech.audio.done", "usage": counts})

    def failed(self, error: MlxqError) -> bytes:
        return OPENAI.error_frame(error)
