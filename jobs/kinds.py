"""What kinds of jobs there are: one row for each, from which everything that differs by kind is read.

It knows no HTTP and no engine. A new kind is a member of `Kind` and a row of `KINDS`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from config.settings import Settings
from jobs.errors import MlxqError
from jobs.payloads import (
    ChatPayload,
    CompletionPayload,
    DownloadPayload,
    EmbeddingPayload,
    ImagePayload,
    LoadPayload,
    NoPayload,
    Payload,
    RerankPayload,
    SpeechPayload,
    TranscriptionPayload,
)
from jobs.results import (
    DownloadResult,
    EmbeddingResult,
    ImageResult,
    LoadResult,
    RerankResult,
    Result,
    SpeechResult,
    TextResult,
    TranscriptionResult,
)


class Category(StrEnum):
    """The kind of model that a job needs: its queue, its lane and its slot."""

    LLM = "llm"
    ASR = "asr"
    TTS = "tts"
    IMAGE = "image"
    EMBEDDING = "embedding"


#: The queue of jobs that need no model but fetch one. A process of its own consumes it.
DOWNLOADS = "download"
#: Every queue by its name in Redis.
QUEUES: tuple[str, ...] = (*(each.value for each in Category), DOWNLOADS)


class Kind(StrEnum):
    """What the job does with the model of its category."""

    #: a chat completion
    CHAT = "chat"
    #: a text completion
    COMPLETION = "completion"
    #: vectors of texts
    EMBEDDING = "embedding"
    #: documents, by how well they answer a query
    RERANK = "rerank"
    #: the text of a recording
    TRANSCRIPTION = "transcription"
    #: the text of a recording, in English
    TRANSLATION = "translation"
    #: a text, spoken
    SPEECH = "speech"
    #: images of a text, or of an image
    IMAGE = "image"
    #: bring a model into the slot
    LOAD = "load"
    #: empty the slot
    UNLOAD = "unload"
    #: fetch a model from its hub
    DOWNLOAD = "download"


#: The kinds whose answers are written token by token.
TEXTS = frozenset((Kind.CHAT, Kind.COMPLETION))


@dataclass(frozen=True, slots=True)
class Row:
    """What is particular to a kind."""

    #: what it asks of the worker
    payload: type[Payload]
    #: what it ends with
    result: type[Result]
    #: how ids begin; a chat's id is the `id` of its completion, as in OpenAI's API
    prefix: str
    #: its queue; None: the queue of the model's category
    queue: str | None
    #: the setting that says for how long it may make no progress; None: it ends by itself
    limit: str | None
    #: whether it counts as a use of its model
    uses_model: bool = True

    def timeout(self, settings: Settings) -> float:
        """Seconds that it may make no progress."""
        return _LONGEST_DOWNLOAD if self.limit is None else float(getattr(settings, self.limit.lower()))


#: Seconds that a download may take. It ends by itself when nothing arrives any more.
_LONGEST_DOWNLOAD = 7 * 86_400.0


KINDS: dict[Kind, Row] = {
    Kind.CHAT: Row(ChatPayload, TextResult, "chatcmpl", Category.LLM, "CHAT_TIMEOUT"),
    Kind.COMPLETION: Row(CompletionPayload, TextResult, "cmpl", Category.LLM, "CHAT_TIMEOUT"),
    Kind.EMBEDDING: Row(EmbeddingPayload, EmbeddingResult, "embd", Category.EMBEDDING, "CHAT_TIMEOUT"),
    Kind.RERANK: Row(RerankPayload, RerankResult, "rank", Category.EMBEDDING, "CHAT_TIMEOUT"),
    Kind.TRANSCRIPTION: Row(
        TranscriptionPayload, TranscriptionResult, "trsc", Category.ASR, "TRANSCRIPTION_TIMEOUT"
    ),
    Kind.TRANSLATION: Row(
        TranscriptionPayload, TranscriptionResult, "trsl", Category.ASR, "TRANSCRIPTION_TIMEOUT"
    ),
    Kind.SPEECH: Row(SpeechPayload, SpeechResult, "spch", Category.TTS, "SPEECH_TIMEOUT"),
    Kind.IMAGE: Row(ImagePayload, ImageResult, "img", Category.IMAGE, "IMAGE_TIMEOUT"),
    Kind.LOAD: Row(LoadPayload, LoadResult, "load", None, "LOAD_TIMEOUT", uses_model=False),
    Kind.UNLOAD: Row(NoPayload, LoadResult, "unload", None, "LOAD_TIMEOUT", uses_model=False),
    Kind.DOWNLOAD: Row(DownloadPayload, DownloadResult, "dl", DOWNLOADS, None, uses_model=False),
}


def read_result(kind: str, data: bytes | msgspec.Raw) -> Any:
    """A result from its JSON, in the type of its kind; as plain values where this version has no such kind.

    Raises MlxqError for the result of another version.
    """
    if kind not in KINDS:
        return msgspec.json.decode(data)
    try:
        return msgspec.json.decode(data, type=KINDS[Kind(kind)].result)
    except (msgspec.MsgspecError, RecursionError):
        raise MlxqError("The job's result was written by another version of the server.") from None
