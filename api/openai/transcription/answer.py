"""The answer of a transcription: JSON, the events of its stream, and the results of jobs. The types only."""

from typing import Literal, NotRequired

from typing_extensions import TypeAliasType, TypedDict


class TranscriptionUsage(TypedDict):
    type: Literal["duration"]
    seconds: float


class TranscriptSegment(TypedDict):
    """OpenAI's segment; times are in seconds. What only Whisper knows is neutral where another model was used."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class TranscriptWord(TypedDict):
    word: str
    start: float
    end: float


class PlainTranscript(TypedDict):
    """The result of a job whose answer is plain text."""

    text: str
    language: str
    duration: float


class VerboseTranscript(TypedDict, total=False):
    """`segments` and `words` are there if they were asked for."""

    task: Literal["transcribe", "translate"]
    model: str
    segments: list[TranscriptSegment]
    words: list[TranscriptWord]


class Transcription(PlainTranscript, VerboseTranscript):
    """The fields of verbose answers are there if such a one was asked for."""

    usage: TranscriptionUsage


class Subtitles(TypedDict):
    """The result of a job whose answer is a file of subtitles, `srt` or `vtt`."""

    text: str
    srt: NotRequired[str]
    vtt: NotRequired[str]


class TranscriptDelta(TypedDict):
    type: Literal["transcript.text.delta"]
    delta: str


class TranscriptDone(TypedDict):
    type: Literal["transcript.text.done"]
    text: str


TranscriptEvent = TypeAliasType("TranscriptEvent", TranscriptDelta | TranscriptDone)
