"""What is answered about a recording: JSON, plain text or subtitles."""

import zlib
from typing import cast

import msgspec

from api.dispatch.renderers import Answered
from api.openai.transcription.answer import (
    PlainTranscript,
    Subtitles,
    Transcription,
    TranscriptSegment,
    TranscriptWord,
    VerboseTranscript,
)
from api.openai.transcription.subtitles import srt, vtt
from jobs.meta import Meta
from jobs.results import Segment, TranscriptionResult


class TranscriptionMeta(Meta, frozen=True, kw_only=True):
    """`words`, `segments`: which timestamps the answer has. `task` is transcribe or translate."""

    response_format: str
    words: bool
    segments: bool
    task: str


def transcribed(
    job: Answered[TranscriptionMeta, TranscriptionResult],
) -> Transcription | PlainTranscript | Subtitles:
    """The answer in JSON. Of subtitles and plain text it is what a client that polls for the job gets."""
    meta, result = job.meta, job.result
    form = meta.response_format
    if form == "srt":
        return {"text": result.text, "srt": document(form, result)}
    if form == "vtt":
        return {"text": result.text, "vtt": document(form, result)}
    plain: PlainTranscript = {
        "text": result.text,
        # Translations are always English, whatever was spoken.
        "language": "en" if meta.task == "translate" else result.language or "",
        "duration": result.duration,
    }
    if form == "text":
        return plain
    more: VerboseTranscript = {}
    if form == "verbose_json":
        more["task"] = "translate" if meta.task == "translate" else "transcribe"
        # MLX-GUI's field beside OpenAI's.
        more["model"] = cast(str, meta.model)
        if meta.segments:
            more["segments"] = [_segment(segment) for segment in result.segments]
        if meta.words:
            more["words"] = cast(list[TranscriptWord], msgspec.to_builtins(result.words))
    return {**plain, **more, "usage": {"type": "duration", "seconds": result.usage.seconds}}


def document(form: str, result: TranscriptionResult) -> str:
    """The answer where it is no JSON."""
    if form == "srt":
        return srt(result.segments)
    if form == "vtt":
        return vtt(result.segments)
    return f"{result.text}\n"


def _segment(segment: Segment) -> TranscriptSegment:
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
    return cast(TranscriptSegment, {**neutral, **msgspec.to_builtins(segment)})
