"""OpenAI's ImagesResponse and image events, from what the worker made."""

import base64
from collections.abc import Callable
from typing import cast

from api.dispatch.artifacts import file_url
from api.dispatch.renderers import Answered, Renderer
from api.openai.dialect import OPENAI
from api.openai.images.answer import (
    CompletedImage,
    Format,
    Image,
    ImageLooks,
    ImageSource,
    ImagesResponse,
    PartialImage,
    Quality,
)
from api.openai.images.answer import ImageUsage as Usage
from jobs.events import Partial
from jobs.kinds import Kind
from jobs.meta import Meta
from jobs.results import ImageResult, ImageUsage, MadeImage

#: Where the bytes of a file are, by its blob.
Read = Callable[[str], bytes]

_NOTHING = ImageUsage(input_tokens=0, output_tokens=0)


class ImageMeta(Meta, frozen=True, kw_only=True):
    """`prompt`: the text that was asked for; `mode` is generate, edit or variation."""

    prompt: str
    mode: str
    size: str
    format: str
    quality: str
    response_format: str | None = None


def images_response(job: Answered[ImageMeta, ImageResult], read: Read | None = None) -> ImagesResponse:
    """`read` puts the files themselves into the answer; who polls for a job fetches them."""
    return {
        "created": job.meta.created,
        **_looks(job.meta),
        "data": [_image(job, image, read) for image in job.result.images],
        "usage": usage(job.result.usage),
    }


def _image(job: Answered[ImageMeta, ImageResult], image: MadeImage, read: Read | None) -> Image:
    wanted = job.meta.response_format
    said: ImageSource = {}
    if read is not None and wanted != "url":
        said["b64_json"] = base64.b64encode(read(image.blob)).decode()
    if read is None or wanted != "b64_json":
        said["url"] = file_url(job.base, job.job_id, image.artifact)
    if job.meta.prompt:
        said["revised_prompt"] = job.meta.prompt
    return {**said, "seed": image.seed}


def partial_image(meta: ImageMeta, event: Partial, data: bytes) -> PartialImage:
    """A picture that is not done yet."""
    return {
        "type": "image_edit.partial_image" if _edits(meta) else "image_generation.partial_image",
        "b64_json": base64.b64encode(data).decode(),
        "created_at": meta.created,
        **_looks(meta),
        "partial_image_index": event.number,
        "image_index": event.index,
    }


def completed_image(job: Answered[ImageMeta, ImageResult], index: int, read: Read) -> CompletedImage:
    """A picture that is done; the last one tells what all of them took."""
    meta, result = job.meta, job.result
    image = result.images[index]
    return {
        "type": "image_edit.completed" if _edits(meta) else "image_generation.completed",
        "b64_json": base64.b64encode(read(image.blob)).decode(),
        "created_at": meta.created,
        **_looks(meta),
        "image_index": index,
        "seed": image.seed,
        "url": file_url(job.base, job.job_id, image.artifact),
        "usage": usage(result.usage if index == len(result.images) - 1 else _NOTHING),
    }


def usage(counts: ImageUsage) -> Usage:
    """As OpenAI counts."""
    taken, given = counts.input_tokens, counts.output_tokens
    read = counts.input_tokens_details
    text, images = (taken, 0) if read is None else (read.text_tokens, read.image_tokens)
    return {
        "input_tokens": taken,
        "output_tokens": given,
        "total_tokens": taken + given,
        "input_tokens_details": {"text_tokens": text, "image_tokens": images},
    }


def _looks(meta: ImageMeta) -> ImageLooks:
    return {
        "background": "opaque",
        "output_format": cast(Format, meta.format),
        "quality": cast(Quality, meta.quality),
        "size": meta.size,
    }


def _edits(meta: ImageMeta) -> bool:
    return meta.mode == "edit"


IMAGES = Renderer(OPENAI, Kind.IMAGE, ImageMeta, images_response, whole=images_response)
