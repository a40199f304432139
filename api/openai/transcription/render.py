"""What is answered about a recording: JSON, plain text or subtitles."""

import zlib
from typing import Any

import msgspec

from api.dispatch.renderers import Answered
from api.openai.transcription.subtitles import srt, vtt
from jobs.meta import Meta
from jobs.results import Segment, TranscriptionResult


class TranscriptionMeta(Meta, frozen=True, kw_only=True):
    """`words`, `segments`: which timestamps the answer has. `task` is transcribe or translate."""

    response_format: str
    words: bool
    segments: bool
    task: str


def transcribed(job: Answered[TranscriptionMeta, TranscriptionResult]) -> dict[str, Any]:
    """The answer in JSON. Of subtitles and plain text it is what a client that polls for the job gets."""
    meta, result = job.meta, job.result
    form = meta.response_format
    said: dict[str, Any] = {"text": result.text}
    if form in ("srt", "vtt"):
        return {**said, form: document(form, result)}
    said.update(language=result.language or "", duration=result.duration)
    if form == "verbose_json":
        # MLX-GUI's field beside OpenAI's.
        said.update(task=meta.task, model=meta.model)
        if meta.segments:
            said["segments"] = [_segment(segment) for segment in result.segments]
        if meta.words:
            said["words"] = msgspec.to_builtins(result.words)
    usage = {"type": "duration", "seconds": result.usage.seconds}
    return said if form == "text" else {**said, "usage": usage}


def document(form: str, result: TranscriptionResult) -> str:
    """The answer where it is no JSON."""
    if form == "srt":
        return srt(result.segments)
    if form == "vtt":
        return vtt(result.segments)
    return f"{result.text}\n"


def _segment(segment: Segment) -> dict[str, Any]:
    """OpenAI's segment. What only Whisper knows is neutral where another model spoke."""
    data = segment.text.encode()
    neutral = {
        "seek": int(segment.start * 100),
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": 0.0,
        "compression_ratio": len(data) / len(zlib.compress(data)),
        "no_speech_prob": 0.0,
    }
    return {**neutral, **msgspec.to_builtins(segment)}
