"""Makes the job of a request for images: size, steps, seed, input images, and the check of the disk space."""

import asyncio
import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace

from msgspec import structs
from starlette.requests import Request

from api.dispatch.submission import job_request, model_of
from api.http.bodies.uploads import uploads_of
from api.http.context import Context, context_of, jobs_of
from api.http.job_options.prefer import Preference
from api.openai.dialect import OPENAI
from api.openai.images.effect import without_effect
from api.openai.images.render import ImageMeta
from api.openai.images.schema import ImageRequest
from api.openai.images.schema import Lora as WantedLora
from api.openai.images.upload import ImageUpload
from jobs.errors import InvalidRequest
from jobs.kinds import Category, Kind
from jobs.models.card import Limits
from jobs.payloads import ImagePayload, Lora, Mode
from jobs.request import JobRequest
from mlxq.catalog import Catalog, ModelRef, UnknownAdapter
from mlxq.catalog.families.image import ANY_LIMITS
from mlxq.media.formats import GRID

#: Sides of an image without a size in the request, in pixels.
_USUAL_SIDE, _SMALL_SIDE = 1024, 256
_USUAL_STRENGTH = 0.75
#: Bytes of a pixel in the largest possible file.
_PIXEL = 3


async def image_job(
    request: Request, upload: ImageUpload, mode: Mode, preference: Preference
) -> tuple[JobRequest, list[str]]:
    """The job, and warnings about parameters without an effect.

    Raises InvalidRequest, ModelNotFound, PayloadTooLarge and InsufficientStorage.
    """
    wanted: ImageRequest = upload.body.value
    context = context_of(request)
    ref = await model_of(request, wanted.model or "default", Category.IMAGE)
    bounds, warnings = _limits(ref), without_effect(ref, wanted, len(upload.images))
    _check_count(upload, mode, ref, bounds)
    if wanted.sides is not None:
        _check_size(wanted.sides, bounds)
    loras = await _loras(request, wanted)
    sources = await upload.input_images(context.settings, uploads_of(request))
    # The included model makes noise: a small image is enough.
    width, height = wanted.sides or _suiting(
        sources.size, bounds, _SMALL_SIDE if ref.makeshift else _USUAL_SIDE
    )
    await asyncio.to_thread(context.blobs.check_room, wanted.count * width * height * _PIXEL)
    steps = wanted.wanted_steps(bounds.steps)
    payload = ImagePayload(
        prompt=wanted.text,
        mode=mode,
        n=wanted.count,
        width=width,
        height=height,
        format=wanted.form,
        compression=wanted.output_compression,
        guidance=wanted.wanted_guidance,
        negative_prompt=wanted.negative_prompt or None,
        partial_images=wanted.partial_images or None,
        keep_alive=wanted.keep_alive,
        images=sources.images or None,
        mask=sources.mask,
        strength=_strength(wanted, mode, len(sources.images)),
        previews=wanted.previews if wanted.previews is not None else not preference.synchronous,
        metadata=context.settings.image_metadata and wanted.metadata is not False,
        steps=steps or None,
        loras=loras or None,
        seed=wanted.wanted_seed,
    )
    job = job_request(
        request,
        dialect=OPENAI,
        kind=Kind.IMAGE,
        model=ref,
        payload=payload,
        meta=_meta(wanted, mode, f"{width}x{height}"),
        preference=preference,
        asked=wanted,
        stream=bool(wanted.stream),
    )
    kept = keeps(context, wanted)
    job = replace(
        job,
        payload=payload if job.seeded else structs.replace(payload, seed=_seed_of(job.id)),
        # Kept jobs do not expire while queued. Who does not want them kept wants them to end at once.
        expires_in=None if kept else job.expires_in,
        linger=job.linger if kept else 0.0,
        work=wanted.count * _steps(payload, bounds) * width * height / 1e6,
    )
    return job, warnings


def _strength(wanted: ImageRequest, mode: Mode, images: int) -> float | None:
    """How much of the input images is changed; None: the model decides."""
    if not images:
        return None
    if wanted.strength is None and mode == "generate" and images == 1:
        return _USUAL_STRENGTH
    return wanted.strength


def _steps(payload: ImagePayload, bounds: Limits) -> int:
    """Steps that an image takes: the first ones are left out where some of its source stays."""
    steps, strength = payload.steps or bounds.steps, payload.strength
    if not payload.images:
        return steps
    if strength is None:
        starts = payload.mode == "variation" or bounds.references == 1
        strength = _USUAL_STRENGTH if starts and payload.mask is None else 1.0
    return max(1, steps - int(steps * (1 - strength)))


def _meta(wanted: ImageRequest, mode: Mode, size: str) -> ImageMeta:
    return ImageMeta(
        model=wanted.model or "default",
        prompt=wanted.text,
        mode=mode,
        size=size,
        format=wanted.form,
        quality=wanted.told_quality,
        response_format=wanted.response_format,
    )


def _limits(ref: ModelRef) -> Limits:
    return (ref.card.limits if ref.card is not None else None) or ANY_LIMITS


def keeps(context: Context, wanted: ImageRequest) -> bool:
    """Whether the job continues when its client disconnects."""
    return (wanted.on_disconnect or context.settings.image_on_disconnect) == "keep"


def _check_count(upload: ImageUpload, mode: Mode, ref: ModelRef, bounds: Limits) -> None:
    """Several images can be references; only one can be the start of a new image."""
    over = mode == "variation" or upload.masked or upload.body.value.strength is not None
    most = 1 if over else bounds.references
    if len(upload.images) > most:
        how = " with a strength or a mask" if over and bounds.references > 1 and mode != "variation" else ""
        raise InvalidRequest(
            f"The request has {len(upload.images)} pictures; the model '{ref.id}' takes {most}{how}.",
            param="image",
        )


def _check_size(sides: tuple[int, int], bounds: Limits) -> None:
    if min(sides) < bounds.shortest or max(sides) > bounds.longest:
        raise InvalidRequest(
            f"Invalid 'size': a side has {bounds.shortest} to {bounds.longest} pixels.",
            param="size",
            code="invalid_value",
        )


def _suiting(size: tuple[int, int] | None, bounds: Limits, usual: int) -> tuple[int, int]:
    """A size with the proportions of the input image and about the usual area; without an input image a square."""
    if size is None:
        side = min(usual, bounds.longest)
        return side, side
    shrink = min(1.0, usual / math.sqrt(size[0] * size[1]))

    def fitting(side: int) -> int:
        return max(bounds.shortest, min(bounds.longest, round(side * shrink / GRID) * GRID))

    return fitting(size[0]), fitting(size[1])


async def _loras(request: Request, wanted: ImageRequest) -> list[Lora]:
    """Raises InvalidRequest."""
    if not wanted.loras:
        return []
    models, jobs = context_of(request).models, jobs_of(request)
    try:
        return await asyncio.to_thread(_named, await models.catalog(jobs), wanted.loras)
    except UnknownAdapter:
        pass
    try:
        return await asyncio.to_thread(_named, await models.look(jobs), wanted.loras)
    except UnknownAdapter as error:
        raise InvalidRequest(str(error), param="loras") from None


def _named(catalog: Catalog, loras: Sequence[WantedLora]) -> list[Lora]:
    """Raises UnknownAdapter."""
    return [Lora(catalog.lora_name(each.path), each.scale) for each in loras]


def _seed_of(job_id: str) -> int:
    """The same for each run of a job."""
    return int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:4], "big")
