"""What a tool answers, from the result of a job: texts, files, and links to files.

It knows results; it does not know the SDK, which `api.mcp.server` alone imports.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from starlette.requests import Request

from api.dispatch.artifacts import artifacts, file_url
from api.dispatch.renderers import Answered
from api.http.context import context_of
from api.mcp.reduced import fitting
from api.openai.embeddings.render import numbers
from api.openai.transcription.render import TranscriptionMeta, document
from jobs.errors import InvalidRequest
from jobs.results import EmbeddingResult, ImageResult, SpeechResult, TranscriptionResult

#: Bytes that all files of an answer have room for. The SDK's own client takes events of a megabyte, in base64.
_ROOM = 700_000
#: Characters of vectors, for the same reason, and digits of a number: float32 has seven.
_LONGEST, _DIGITS = 950_000, 7
#: Formats of a transcript that are files of subtitles.
_SUBTITLES = ("srt", "vtt")


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Media:
    """A file in base64."""

    kind: Literal["image", "audio"]
    data: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Link:
    """Where a file can be fetched."""

    url: str
    name: str
    content_type: str


Content = Text | Media | Link


def as_json(value: object) -> Text:
    return Text(orjson.dumps(value).decode())


def contents(request: Request, job: Answered[Any, Any]) -> list[Content] | None:
    """The answer of a job; None for a kind that no tool makes. It reads files: call it in a thread. BlobGone."""
    match job.result:
        case ImageResult():
            return [_images(job.job_id, job.result), *_files(request, job, "image")]
        case SpeechResult():
            spoken = f"{job.result.duration:.1f} s of speech ({job.result.format}), job {job.job_id}"
            return [Text(spoken), *_files(request, job, "audio")]
        case TranscriptionResult():
            form = job.meta.response_format if isinstance(job.meta, TranscriptionMeta) else ""
            return [Text(document(form, job.result) if form in _SUBTITLES else job.result.text)]
        case EmbeddingResult():
            return [_vectors(job.result)]
    return None


def _images(job_id: str, result: ImageResult) -> Text:
    """What else is known of images; the id of each as other tools take it."""
    rows = (
        f"{job_id}/{image.artifact}: {image.width}x{image.height}, seed {image.seed}"
        for image in result.images
    )
    return Text("\n".join(rows))


def _files(request: Request, job: Answered[Any, Any], kind: Literal["image", "audio"]) -> Iterator[Content]:
    """Each file, and where it can be fetched. Of what is too large there is a smaller image, or the link alone."""
    blobs, found = context_of(request).blobs, artifacts(job.result)
    room = _ROOM // max(1, len(found))
    for number, file in sorted(found.items()):
        if kind == "image":
            data, content_type = fitting(blobs.read(file.blob), file.content_type, room)
            yield Media(kind, base64.b64encode(data).decode(), content_type)
        elif blobs.stat(file.blob).size <= room:
            yield Media(kind, base64.b64encode(blobs.read(file.blob)).decode(), file.content_type)
        name = f"{job.job_id}-{number}.{file.suffix}"
        yield Link(file_url(job.base, job.job_id, number), name, file.content_type)


def _vectors(result: EmbeddingResult) -> Text:
    """Raises InvalidRequest for more than an answer has room for."""
    rows = [[float(f"{each:.{_DIGITS}g}") for each in numbers(vector)] for vector in result.embeddings]
    made = as_json({"embeddings": rows, "prompt_tokens": result.usage.prompt_tokens})
    if len(made.text) > _LONGEST:
        raise InvalidRequest(
            "The vectors are too long for the answer of a tool. Ask for fewer texts or dimensions, or use "
            "/v1/embeddings.",
            param="input",
        )
    return made
