"""`POST /v1/images/generations`, `/v1/images/edits` and `/v1/images/variations`."""

from fastapi import APIRouter, Request, Response

from api.dispatch.job_schema import by_job
from api.dispatch.job_stream import stream
from api.dispatch.prepared import Batched, Prepared
from api.dispatch.renderers import Answered
from api.dispatch.resource import Resource
from api.dispatch.run import run
from api.http.answers.json_response import json_response
from api.http.answers.warning import warned
from api.http.context import context_of
from api.http.job_options.prefer import preference
from api.http.middleware.forwarded import base_of
from api.http.openapi import streams, takes, takes_files
from api.openai.dialect import OPENAI
from api.openai.images.answer import ImageEvent, ImagesResponse
from api.openai.images.job import image_job, keeps
from api.openai.images.render import IMAGES, ImageMeta, images_response
from api.openai.images.schema import (
    EditRequest,
    GenerationRequest,
    ImageRequest,
    JsonEditRequest,
    JsonVariationRequest,
    VariationRequest,
)
from api.openai.images.stream import ImageFrames
from api.openai.images.upload import ImageUpload, read_images
from config.settings import Settings
from jobs.payloads import Mode
from jobs.results import ImageResult

router = APIRouter(tags=["images"])

#: Number of the largest images that a body has room for.
_PICTURES = 5
_ANSWER = by_job(ImagesResponse) | streams(ImageEvent)
_FILE = {"type": "string", "format": "binary"}
_FILES = {"anyOf": [_FILE, {"type": "array", "items": _FILE}]}


@router.post(
    "/v1/images/generations",
    summary="Pictures of a text",
    response_class=Response,
    openapi_extra=takes(GenerationRequest) | _ANSWER,
)
async def generations(request: Request) -> Response:
    async with await read_images(request, GenerationRequest, GenerationRequest, required=False) as upload:
        return await _answer(request, upload, "generate")


@router.post(
    "/v1/images/edits",
    summary="Pictures made of others",
    response_class=Response,
    openapi_extra=takes_files(EditRequest, JsonEditRequest, {"image": _FILES, "mask": _FILE}, ("image",))
    | _ANSWER,
)
async def edits(request: Request) -> Response:
    async with await read_images(request, EditRequest, JsonEditRequest) as upload:
        return await _answer(request, upload, "edit")


@router.post(
    "/v1/images/variations",
    summary="Pictures like another one",
    response_class=Response,
    openapi_extra=takes_files(VariationRequest, JsonVariationRequest, {"image": _FILE}, ("image",)) | _ANSWER,
)
async def variations(request: Request) -> Response:
    async with await read_images(request, VariationRequest, JsonVariationRequest) as upload:
        return await _answer(request, upload, "variation")


async def prepare(request: Request) -> Prepared[ImageRequest]:
    """The job of a request for pictures of a text."""
    async with await read_images(request, GenerationRequest, GenerationRequest, required=False) as upload:
        return await _prepared(request, upload, "generate")


async def prepare_edit(request: Request) -> Prepared[ImageRequest]:
    """The job of a request for pictures made of others."""
    async with await read_images(request, EditRequest, JsonEditRequest) as upload:
        return await _prepared(request, upload, "edit")


async def _prepared(request: Request, upload: ImageUpload, mode: Mode) -> Prepared[ImageRequest]:
    preferred = preference(request.headers)
    job, warnings = await image_job(request, upload, mode, preferred)
    return Prepared(upload.body.value, job, preferred, warned(upload.body.headers, warnings))


async def _answer(request: Request, upload: ImageUpload, mode: Mode) -> Response:
    wanted: ImageRequest = upload.body.value
    context = context_of(request)
    preferred = preference(request.headers, background=wanted.background is True)
    job, warnings = await image_job(request, upload, mode, preferred)
    told = warned(upload.body.headers, warnings)
    keep = keeps(context, wanted)
    if wanted.stream and preferred.synchronous:
        base = base_of(request)
        return stream(request, job, lambda accepted: ImageFrames(context, base, accepted), told, keep=keep)

    def whole(job: Answered[ImageMeta, ImageResult], headers: dict[str, str]) -> Response:
        return json_response(images_response(job, context.blobs.read), headers=headers)

    return await run(request, job, preferred, told, respond=whole, keep=keep)


def _pictures(settings: Settings) -> int:
    return settings.max_image_bytes * _PICTURES


RESOURCE = Resource(
    OPENAI,
    routers=(router,),
    renderers=(IMAGES,),
    batched={
        "/v1/images/edits": Batched(prepare_edit, IMAGES),
        "/v1/images/generations": Batched(prepare, IMAGES),
    },
    large={
        "/v1/images/edits": _pictures,
        "/v1/images/generations": _pictures,
        "/v1/images/variations": _pictures,
    },
)
