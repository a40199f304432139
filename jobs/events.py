"""The events of a job: one type for each, their JSON, and the entry of a job's stream that holds one.

Deltas are the hot path: a worker encodes each once, an API process decodes each once. The scripts of the gate write
some events themselves and recognise others by how their JSON begins: `{"type":"…"`.
"""

from typing import ClassVar, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from jobs.errors import ErrorFields


class TokenLogprob(msgspec.Struct, frozen=True):
    """A token of an answer, its log-probability, and with `top` the likeliest tokens in its place.

    Nothing predicts the first token of a prompt: its `logprob` is None.
    """

    token: str
    bytes: list[int]
    logprob: float | None
    top: "list[TokenLogprob] | UnsetType" = UNSET


class CallPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """The tool call that a delta belongs to, by its number. The first delta of a call names it."""

    index: int
    id: str | None = None
    name: str | None = None


class ProgressState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job is: `done` of `total` steps, or of what `unit` names: bytes, prompt_tokens, tokens (of the
    answer, and the most it may have), milliseconds (of a recording), sentences (of speech), texts. Only downloads
    know more.

    `job` is the job that is meant, where another one waits for it. `eta` is in seconds until `total` is reached.
    """

    job: str | UnsetType = UNSET
    done: int
    total: int
    unit: str | UnsetType = UNSET
    bytes_per_second: int | UnsetType | None = UNSET
    eta: float | UnsetType | None = UNSET
    file: str | UnsetType | None = UNSET
    files_done: int | UnsetType = UNSET
    files: int | UnsetType = UNSET
    resumed: int | UnsetType = UNSET


class Started(msgspec.Struct, frozen=True, tag="started"):
    """A worker took the job. `attempt` counts from 1."""

    terminal: ClassVar[bool] = False
    attempt: int


class Loading(msgspec.Struct, frozen=True, tag="loading"):
    """The job waits for its model."""

    terminal: ClassVar[bool] = False
    model: str


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The job's model is in memory: it runs from now on."""

    terminal: ClassVar[bool] = False
    model: str


class Delta(msgspec.Struct, frozen=True, omit_defaults=True, tag="delta"):
    """New text of one choice: of its content, its reasoning, or the arguments of a tool call."""

    terminal: ClassVar[bool] = False
    index: int
    text: str
    field: Literal["content", "reasoning", "tool_call"] = "content"
    call: CallPart | None = None
    logprobs: list[TokenLogprob] | None = None


class AudioChunk(msgspec.Struct, frozen=True, tag="audio"):
    """The next bytes of an audio file; base64 in JSON.

    Each chunk but the last has a multiple of three bytes, so that the texts of a stream can be joined.
    """

    terminal: ClassVar[bool] = False
    audio: bytes


class Progress(ProgressState, frozen=True, kw_only=True, tag="progress"):
    """The job is so far."""

    terminal: ClassVar[bool] = False


class Preview(msgspec.Struct, frozen=True, tag="preview"):
    """A small image of what image `index` looks like after its step `step`. `artifact` is its number among the job's
    files, `blob` the file.
    """

    terminal: ClassVar[bool] = False
    index: int
    step: int
    artifact: int
    blob: str
    content_type: str


class Partial(msgspec.Struct, frozen=True, tag="partial"):
    """The same in full size: `number` of those that were asked for."""

    terminal: ClassVar[bool] = False
    index: int
    number: int
    artifact: int
    blob: str
    content_type: str


class Downloading(ProgressState, frozen=True, kw_only=True, tag="downloading"):
    """The job's model is being fetched, by another job."""

    terminal: ClassVar[bool] = False


class Downloaded(msgspec.Struct, frozen=True, tag="downloaded"):
    """The job's model is there: the job waits for its lane."""

    terminal: ClassVar[bool] = False


class Requeued(msgspec.Struct, frozen=True, tag="requeued"):
    """The job went back to its queue: its worker died or drains."""

    terminal: ClassVar[bool] = False


class Reset(msgspec.Struct, frozen=True, tag="reset"):
    """The job starts anew: what was streamed before is void."""

    terminal: ClassVar[bool] = False


class Completed(msgspec.Struct, frozen=True, tag="completed"):
    """The job's result, in JSON. Its type is that of the job's kind."""

    terminal: ClassVar[bool] = True
    result: msgspec.Raw


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The job ended with this error."""

    terminal: ClassVar[bool] = True
    error: ErrorFields


class Cancelled(msgspec.Struct, frozen=True, tag="cancelled"):
    """Somebody cancelled the job, or its client left."""

    terminal: ClassVar[bool] = True


class Expired(msgspec.Struct, frozen=True, tag="expired"):
    """The job was not started while its client would have waited."""

    terminal: ClassVar[bool] = True


Event = (
    Started
    | Loading
    | Loaded
    | Delta
    | AudioChunk
    | Progress
    | Preview
    | Partial
    | Downloading
    | Downloaded
    | Requeued
    | Reset
    | Completed
    | Failed
    | Cancelled
    | Expired
)


class Entry(NamedTuple):
    """An event in its job's stream. `id` is its Redis stream id: entries of a job are ordered by it."""

    id: str
    event: Event

    @property
    def type(self) -> str:
        """The event's name."""
        return str(self.event.__struct_config__.tag)

    @property
    def terminal(self) -> bool:
        """Whether the job has ended with it."""
        return self.event.terminal


_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_FRAMES = msgspec.json.Decoder(list[tuple[str, str, msgspec.Raw]])

#: The event as the JSON that the scripts of the gate write and publish.
encode_event = _ENCODER.encode
#: Raises msgspec.MsgspecError for what is no event of this version.
decode_event = _DECODER.decode
#: What the gate publishes on the bus: (job, entry's id, event as JSON) of each event.
decode_frames = _FRAMES.decode
