"""The answer of `/v1/voices`."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict


class VoiceRow(TypedDict):
    """`registry`: a voice of voices.json. `model`: one of the speech model's own, of which only the name is known."""

    name: str
    aliases: list[str]
    source: Literal["registry", "model"]
    speed_factor: NotRequired[float]
    has_transcript: NotRequired[bool]


class VoiceList(TypedDict):
    """`default_voice` speaks for requests that name none. Null: it has no name, or the language of a text decides."""

    object: Literal["list"]
    voices: list[VoiceRow]
    default_voice: str | None
