"""What jobs end with: one type for each kind of result. Files are blobs, named by their ids."""

from collections.abc import Mapping

import msgspec

from jobs.events import TokenLogprob


class File(msgspec.Struct, frozen=True):
    """A file that a result leaves. `suffix` is how its name ends, where its content type does not say it."""

    blob: str
    content_type: str
    suffix: str = ""


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all kinds have.

    `load_seconds`: how long its model was loaded for it. `run_seconds`: the work after that.
    """

    load_seconds: float = 0.0
    run_seconds: float = 0.0

    def files(self) -> Mapping[int, File]:
        """The files that it leaves, by their numbers."""
        return {}

    def tokens(self) -> tuple[int | None, int | None]:
        """Tokens that were read and written; None where the kind counts none."""
        return None, None


class ToolCall(msgspec.Struct, frozen=True):
    """A call that a model made. `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


class Choice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer. `stop`: the text among the request's `stop` that ended it."""

    index: int
    text: str
    finish_reason: str
    stop: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None
    logprobs: list[TokenLogprob] | None = None


class TextUsage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int = 0
    accepted_prediction_tokens: int = 0


class Timings(msgspec.Struct, frozen=True):
    """In seconds."""

    prompt_seconds: float
    generation_seconds: float


class TextResult(Result, frozen=True, kw_only=True):
    """What a language model answered."""

    choices: list[Choice]
    usage: TextUsage
    timings: Timings

    def tokens(self) -> tuple[int | None, int | None]:
        return self.usage.prompt_tokens, self.usage.completion_tokens


class EmbeddingUsage(msgspec.Struct, frozen=True):
    prompt_tokens: int


class EmbeddingResult(Result, frozen=True, kw_only=True):
    """Vectors as little-endian float32, in base64."""

    embeddings: list[str]
    usage: EmbeddingUsage

    def tokens(self) -> tuple[int | None, int | None]:
        return self.usage.prompt_tokens, None


class Rank(msgspec.Struct, frozen=True, omit_defaults=True):
    """A document by its place in the request."""

    index: int
    score: float
    text: str | None = None


class RerankResult(Result, frozen=True, kw_only=True):
    """The best document comes first."""

    ranks: list[Rank]
    usage: EmbeddingUsage

    def tokens(self) -> tuple[int | None, int | None]:
        return self.usage.prompt_tokens, None


class Segment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stretch of speech, in seconds of the recording. What a model does not know of it is None."""

    id: int
    start: float
    end: float
    text: str
    tokens: list[int] | None = None
    temperature: float | None = None
    avg_logprob: float | None = None
    compression_ratio: float | None = None
    no_speech_prob: float | None = None


class Word(msgspec.Struct, frozen=True):
    word: str
    start: float
    end: float


class TranscriptionUsage(msgspec.Struct, frozen=True):
    seconds: float = 0.0


class TranscriptionResult(Result, frozen=True, kw_only=True):
    """The text of a recording of `duration` seconds."""

    text: str
    language: str | None = None
    duration: float = 0.0
    segments: list[Segment] = []
    words: list[Word] = []
    usage: TranscriptionUsage = TranscriptionUsage()


class SpeechUsage(msgspec.Struct, frozen=True):
    input_tokens: int = 0
    output_tokens: int = 0


class SpeechResult(Result, frozen=True, kw_only=True):
    """A sound file (`audio`) of `duration` seconds, in which a text of so many `characters` is spoken."""

    audio: str
    format: str
    content_type: str = ""
    duration: float = 0.0
    sample_rate: int = 0
    characters: int = 0
    usage: SpeechUsage = SpeechUsage()

    def files(self) -> Mapping[int, File]:
        return {0: File(self.audio, self.content_type, self.format)}

    def tokens(self) -> tuple[int | None, int | None]:
        return self.usage.input_tokens, self.usage.output_tokens


class MadeImage(msgspec.Struct, frozen=True):
    """An image file. `artifact` is its number among the job's files."""

    artifact: int
    blob: str
    seed: int
    width: int
    height: int
    content_type: str


class ImageTokens(msgspec.Struct, frozen=True):
    """What was read: text, and images in patches."""

    text_tokens: int
    image_tokens: int


class ImageUsage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    input_tokens: int
    output_tokens: int
    total_tokens: int = 0
    input_tokens_details: ImageTokens | None = None


class ImageResult(Result, frozen=True, kw_only=True):
    """Images, made in `steps` steps each."""

    images: list[MadeImage]
    usage: ImageUsage
    steps: int = 0
    seconds: float = 0.0

    def files(self) -> Mapping[int, File]:
        return {image.artifact: File(image.blob, image.content_type) for image in self.images}

    def tokens(self) -> tuple[int | None, int | None]:
        return self.usage.input_tokens, self.usage.output_tokens


class LoadResult(Result, frozen=True, kw_only=True):
    """`loaded` or `unloaded`, or what else became of the slot; `model` is the one that is loaded now."""

    status: str
    model: str | None = None


class DownloadResult(Result, frozen=True, kw_only=True, omit_defaults=False):
    """`installed`. `fetched_bytes` came over the net, `resumed_bytes` were there before."""

    status: str
    model: str | None = None
    source: str | None = None
    revision: str | None = None
    files_count: int = msgspec.field(name="files", default=0)
    bytes: int | None = None
    fetched_bytes: int = 0
    resumed_bytes: int = 0
