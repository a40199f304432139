"""Images in chats: stores `image_url` parts as blobs of the job, or leaves them out for text-only models."""

import asyncio
import logging
from collections.abc import Mapping

from api.http.answers.warning import warned
from api.http.context import Context
from api.inputs.image_decoding import decoding
from api.inputs.image_source import from_address, refusals
from config.settings import Settings
from jobs.blobs import Uploads
from jobs.errors import InvalidRequest
from jobs.payloads import Message
from mlxq.catalog import ModelRef
from mlxq.catalog.vision import sees

log = logging.getLogger(__name__)

#: A part of a message, and where it stands in the request.
Place = tuple[Message, str]


async def settle_images(
    context: Context, uploads: Uploads, ref: ModelRef, messages: list[Message], headers: Mapping[str, str]
) -> dict[str, str]:
    """Make the image parts of a chat's messages what the engine takes. Returns the response's headers.

    For a model that sees they become files of the request. For one that does not they are left out, which a
    `warning` header says, or refused where STRICT is set. Raises InvalidRequest and PayloadTooLarge, naming the part.
    """
    images = _images(messages)
    if not images:
        return dict(headers)
    settings = context.settings
    if not _sees(ref):
        return _leave_out(messages, images, ref, headers, settings.strict)
    if len(images) > settings.max_images:
        raise InvalidRequest(
            f"The messages have {len(images)} images; at most {settings.max_images} are taken.",
            param="messages",
        )
    try:
        async with asyncio.TaskGroup() as group:
            files = [
                group.create_task(_file(part["url"], place, settings, uploads)) for part, place in images
            ]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    for (part, _), file in zip(images, files, strict=True):
        part.clear()
        part.update(type="image", blob=file.result())
    return dict(headers)


def _images(messages: list[Message]) -> list[Place]:
    """The image parts, in order. A part may say itself where it stands in the request."""
    return [
        (part, part.get("place") or f"messages[{number}].content[{place}]")
        for number, message in enumerate(messages)
        if isinstance(message["content"], list)
        for place, part in enumerate(message["content"])
        if part["type"] == "image_url"
    ]


def _sees(ref: ModelRef) -> bool:
    return ref.card.sees if ref.card is not None else sees(ref.base_id, None)


def _leave_out(
    messages: list[Message],
    images: list[Place],
    ref: ModelRef,
    headers: Mapping[str, str],
    strict: bool,
) -> dict[str, str]:
    if strict:
        raise InvalidRequest(
            f"The model '{ref.id}' takes no images.", param=images[0][1], code="unsupported_value"
        )
    for message in messages:
        if isinstance(message["content"], list):
            texts = [part["text"] for part in message["content"] if part["type"] == "text"]
            message["content"] = "".join(texts)
    log.warning("%d images were left out: %s takes text only", len(images), ref.id)
    return warned(headers, [f"{len(images)} images were left out: the model takes text only"])


async def _file(url: str, place: str, settings: Settings, uploads: Uploads) -> str:
    """The blob of the image behind an address, a file that can be opened. It does not stay in memory."""
    with refusals(f"The image at {place}", place):
        async with from_address(url, settings) as data:
            await decoding(_check, data, settings.max_image_megapixels * 1e6)
            return await asyncio.to_thread(uploads.put, data)


def _check(data: bytes, most: float) -> None:
    from mlxq.media.images import check_image

    check_image(data, most)
