"""`/v1/audio/speech`: text in, audio out."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, PlainValidator

from api.http.bodies.fields import KeepAlive, Language, Seed
from api.http.job_options.service_class import Ranked
from jobs.payloads import SpeechPayload, VoiceReference
from mlxq.catalog.families.speech import OPENAI_VOICES
from mlxq.media.formats import SpeechFormat
from mlxq.media.spoken_text import has_words

Speed = Annotated[float, Field(ge=0.25, le=4)]
#: Characters of a description, as in OpenAI's API.
_LONGEST_INSTRUCTIONS = 4096
_LONGEST_NAME = 1024


def _voice(value: object) -> str:
    """A name, or OpenAI's object for a voice of one's own."""
    if isinstance(value, dict):
        value = value.get("id")
    if not isinstance(value, str) or len(value) > _LONGEST_NAME or "\0" in value:
        raise ValueError("it must be the name of a voice, or an object with its 'id'")
    return value


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("it is empty")
    if not has_words(value):
        raise ValueError("it has nothing that can be said: no letter and no digit")
    return value


@dataclass(frozen=True, slots=True)
class SettledVoice:
    """The voice that a request means: one of the model's own, or a recording; and how fast it speaks."""

    name: str | None = None
    reference: VoiceReference | None = None
    speed: float = 1.0


class SpeechRequest(Ranked):
    """`instruct`, `reference_audio` and `language` are OminiX' words; `ref_text` is how voices.json has it."""

    harmless: ClassVar[frozenset[str]] = frozenset({"user"})

    model: str = "default"
    input: Annotated[str, AfterValidator(_text)]
    voice: Annotated[str, PlainValidator(_voice, json_schema_input_type=str | dict[str, object])] | None = (
        None
    )
    instructions: Annotated[str, Field(max_length=_LONGEST_INSTRUCTIONS)] | None = None
    instruct: Annotated[str, Field(max_length=_LONGEST_INSTRUCTIONS)] | None = None
    response_format: SpeechFormat = "wav"
    speed: Speed = 1.0
    stream_format: Literal["audio", "sse"] | None = None
    reference_audio: str | None = None
    reference_text: Annotated[str, Field(max_length=_LONGEST_INSTRUCTIONS)] | None = None
    ref_text: Annotated[str, Field(max_length=_LONGEST_INSTRUCTIONS)] | None = None
    language: Language = None
    seed: Seed | None = None
    keep_alive: KeepAlive | None = None
    background: bool | None = None

    @property
    def needs_usual_voice(self) -> bool:
        """Whether it names no voice, or one of OpenAI's."""
        names = ("", "default", *OPENAI_VOICES)
        return self.reference_audio is None and (self.voice or "").casefold() in names

    @property
    def transcript(self) -> str | None:
        """What is said in `reference_audio`."""
        return self.reference_text or self.ref_text or None

    def payload(self, voice: SettledVoice, *, live: bool) -> SpeechPayload:
        """The job's payload."""
        return SpeechPayload(
            input=self.input,
            format=self.response_format,
            voice=voice.name,
            reference=voice.reference,
            speed=None if voice.speed == 1 else voice.speed,
            instructions=self.instructions or self.instruct,
            language=self.language,
            seed=self.seed,
            keep_alive=self.keep_alive,
            stream=live,
        )
