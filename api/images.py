"""Images in chats: from `image_url` parts to blobs that a job refers to, or left out for models without sight."""

import asyncio
import binascii
import logging
from collections.abc import Mapping
from typing import Any

from api.context import Context
from api.fetch import FetchError, fetch
from config.catalog import ModelRef
from config.catalog.installed import read_model
from config.catalog.vision import sees
from config.settings import Settings
from jobs.errors import InvalidRequest, PayloadTooLarge
from jobs.pictures import UnreadablePicture, open_picture

log = logging.getLogger(__name__)

#: A part of a message, and where it stands in the request.
Place = tuple[dict[str, Any], str]


async def settle_images(
    context: Context, ref: ModelRef, payload: dict[str, Any], headers: Mapping[str, str]
) -> dict[str, str]:
    """Make the image parts of a chat's payload what the engine takes. Returns the response's headers.

    For a model that sees they become blobs. For one that does not they are left out, which a `warning` header
    says, or refused where STRICT is set. Raises InvalidRequest and PayloadTooLarge, naming the part.
    """
    messages = payload["messages"]
    images = _images(messages)
    if not images:
        return dict(headers)
    settings = context.settings
    if not await asyncio.to_thread(_sees, ref):
        return _leave_out(messages, images, ref, headers, settings.strict)
    if len(images) > settings.max_images:
        raise InvalidRequest(
            f"The messages have {len(images)} images; at most {settings.max_images} are taken.",
            param="messages",
        )
    try:
        async with asyncio.TaskGroup() as group:
            files = [group.create_task(_file(part["url"], place, settings)) for part, place in images]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    for (part, _), file in zip(images, files, strict=True):
        blob = await asyncio.to_thread(context.blobs.put, file.result())
        part.clear()
        part.update(type="image", blob=blob)
    return dict(headers)


def _images(messages: list[dict[str, Any]]) -> list[Place]:
    """The image parts, in order."""
    return [
        (part, f"messages[{number}].content[{place}]")
        for number, message in enumerate(messages)
        if isinstance(message["content"], list)
        for place, part in enumerate(message["content"])
        if part["type"] == "image_url"
    ]


def _sees(ref: ModelRef) -> bool:
    model = read_model(ref.path, ref.id) if ref.path is not None else None
    return sees(ref.base_id, model.config if model is not None else None)


def _leave_out(
    messages: list[dict[str, Any]],
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
    warning = f'299 mlxq "{len(images)} images were left out: the model takes text only"'
    said = headers.get("warning")
    return {**headers, "warning": f"{said}, {warning}" if said else warning}


async def _file(url: str, place: str, settings: Settings) -> bytes:
    """The image behind an address, as a file that can be opened."""
    try:
        if url[:5].lower() == "data:":
            data = await asyncio.to_thread(_decode, url, settings.max_image_bytes)
        else:
            data = await fetch(
                url,
                limit=settings.max_image_bytes,
                timeout=settings.image_fetch_timeout,
                private=settings.allow_private_urls,
            )
        await asyncio.to_thread(open_picture, data, settings.max_image_megapixels * 1e6)
    except (FetchError, UnreadablePicture) as error:
        raise InvalidRequest(
            f"The image at {place} can't be used: {error}.", param=place, code="invalid_image"
        ) from error
    except PayloadTooLarge as error:
        raise PayloadTooLarge(f"The image at {place} can't be used: {error}.", param=place) from None
    return data


def _decode(url: str, limit: int) -> bytes:
    """The bytes in a data URL. Its media type is not believed."""
    head, comma, body = url.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise UnreadablePicture("its data: URL is not in base64")
    if len(body) * 3 // 4 > limit + 3:
        raise PayloadTooLarge(f"it is larger than {round(limit / 2**20, 2):g} MB")
    try:
        return binascii.a2b_base64(body + "==")
    except ValueError as error:  # also what is not ASCII
        raise UnreadablePicture("its data: URL is not in base64") from error
