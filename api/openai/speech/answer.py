"""The events of streamed speech, and the result of a speech job. The types only; the audio itself is a file."""

from typing import Literal

from typing_extensions import TypeAliasType, TypedDict


class SpeechUsage(TypedDict):
    input_tokens: int
    output_tokens: int
    total_tokens: int


class SpeechDelta(TypedDict):
    """The next bytes of the file, in base64."""

    type: Literal["speech.audio.delta"]
    audio: str


class SpeechDone(TypedDict):
    type: Literal["speech.audio.done"]
    usage: SpeechUsage


SpeechEvent = TypeAliasType("SpeechEvent", SpeechDelta | SpeechDone)


class Speech(TypedDict):
    """The result of a job: where its file can be fetched. `duration` is in seconds."""

    object: Literal["audio.speech"]
    model: str
    format: str
    content_type: str
    duration: float
    sample_rate: int
    url: str
    usage: SpeechUsage
