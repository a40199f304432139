"""`/v1/audio/transcriptions` and `/v1/audio/translations`: what is asked of a recording, and what is answered."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from api.http.bodies.fields import KeepAlive, Language, Seed, wrong
from api.http.job_options.service_class import Ranked
from jobs.payloads import TranscriptionPayload

Format = Literal["json", "text", "verbose_json", "srt", "vtt"]
Granularity = Literal["word", "segment"]

_LONGEST_PROMPT = 16_384


class TranscriptionRequest(Ranked):
    """`word_timestamps` is MLX-GUI's word for the granularity `word`. The recording itself is not here."""

    harmless: ClassVar[frozenset[str]] = frozenset({"file", "user"})

    model: str = "default"
    language: Language = None
    prompt: Annotated[str, Field(max_length=_LONGEST_PROMPT)] | None = None
    response_format: Format = "json"
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    timestamp_granularities: list[Granularity] | None = None
    word_timestamps: bool | None = None
    stream: bool | None = None
    seed: Seed | None = None
    keep_alive: KeepAlive | None = None
    background: bool | None = None

    @field_validator("timestamp_granularities", mode="after")
    @classmethod
    def _some(cls, value: list[Granularity] | None) -> list[Granularity] | None:
        return value or None

    @model_validator(mode="after")
    def _check(self) -> "TranscriptionRequest":
        if (self.timestamp_granularities or self.word_timestamps) and self.response_format != "verbose_json":
            raise wrong(
                "response_format", "must be 'verbose_json' where timestamps of words or segments are wanted"
            )
        if self.stream and self.response_format not in ("json", "text"):
            raise wrong("stream", f"the response_format '{self.response_format}' can't be streamed")
        return self

    @property
    def words(self) -> bool:
        return bool(self.word_timestamps) or "word" in (self.timestamp_granularities or ())

    @property
    def segments(self) -> bool:
        """Segments are told unless only words were asked for."""
        return "segment" in (self.timestamp_granularities or ("segment",))

    def payload(self, audio: str, seconds: float, *, translate: bool) -> TranscriptionPayload:
        """The job's payload. `audio` is the recording's blob, `seconds` its length."""
        return TranscriptionPayload(
            audio=audio,
            seconds=round(seconds, 3),
            language=self.language,
            prompt=self.prompt or None,
            temperature=self.temperature,
            seed=self.seed,
            keep_alive=self.keep_alive,
            words=self.words,
            translate=translate,
        )


class JsonTranscriptionRequest(TranscriptionRequest):
    """OminiX' body: `file` is the recording in base64, plain or as a data: URL."""

    file: Annotated[str, Field(min_length=1)]
