"""Reads a request for images, from a form or from JSON: its parameters, and its input images.

It knows HTTP and image files; it does not know models.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.datastructures import UploadFile
from starlette.requests import Request

from api.http.bodies.body import Body, read_body
from api.http.bodies.form import Form, FormLimits, is_form, read_form
from api.http.callers.caller import caller_of
from api.inputs.image_decoding import decoding
from api.inputs.image_source import image_bytes, refusals
from api.openai.images.schema import ImageReference, ImageRequest
from config.settings import Settings
from jobs.blobs import Uploads
from jobs.errors import InvalidRequest

if TYPE_CHECKING:
    from PIL import Image

#: Fields of a form that hold images.
_IMAGES, _MASK = ("image", "images"), "mask"
_LISTS = ("loras",)
_LIMITS = FormLimits(files=17, fields=100, field_bytes=1 << 17, holders=(*_IMAGES, _MASK))
#: zlib's fastest level: these files are read once and then deleted.
_LITTLE_WORK = 1

Source = UploadFile | str


@dataclass(frozen=True, slots=True)
class Sent:
    """An image as it was sent, and the field that held it."""

    source: Source
    place: str


@dataclass(frozen=True, slots=True)
class InputImages:
    """The blobs of the input images of a request, converted to PNG files: upright, and without metadata.

    `size` is that of the first.
    """

    images: list[str]
    mask: str | None
    size: tuple[int, int] | None


class ImageUpload:
    """A request for images: `body` has its parameters, `input_images` reads its images. A context manager."""

    def __init__(self, body: Body[Any], images: list[Sent], mask: Sent | None, form: Form | None) -> None:
        self.body = body
        self.images = images
        self._mask = mask
        self._form = form

    async def __aenter__(self) -> "ImageUpload":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._form is not None:
            await self._form.close()

    @property
    def masked(self) -> bool:
        return self._mask is not None

    async def input_images(self, settings: Settings, uploads: Uploads) -> InputImages:
        """Raises InvalidRequest for a file that is no image, for a mask that does not fit, and PayloadTooLarge."""
        images, sizes = [], []
        for sent in self.images:
            file, size = await _read(sent, settings, uploads, _picture)
            images.append(file)
            sizes.append(size)
        mask = None
        if self._mask is not None:
            mask, size = await _read(self._mask, settings, uploads, _opacity)
            if not sizes:
                raise InvalidRequest("A mask needs an image.", param=_MASK)
            if size != sizes[0]:
                said, needed = ("{}x{}".format(*each) for each in (size, sizes[0]))
                raise InvalidRequest(
                    f"The mask is {said} in size, and its image {needed}: they must be of the same size.",
                    param=_MASK,
                    code="invalid_image",
                )
        return InputImages(images, mask, sizes[0] if sizes else None)


async def read_images(
    request: Request, fields: type[ImageRequest], body: type[ImageRequest], *, required: bool = True
) -> ImageUpload:
    """The request: a form with these `fields`, or JSON with this `body`. Raises InvalidRequest."""
    if await is_form(request):
        form = await read_form(request, _LIMITS)
        try:
            asked = form.body(fields, caller_of(request).withheld, _LISTS)
            upload = ImageUpload(asked, _placed(form.files(*_IMAGES)), _mask(form), form)
            _check(upload, required)
        except BaseException:
            await form.close()
            raise
        return upload
    read = await read_body(request, body)
    upload = ImageUpload(read, _named(read.value), _named_mask(read.value), None)
    _check(upload, required)
    return upload


def _check(upload: ImageUpload, required: bool) -> None:
    if required and not upload.images:
        raise InvalidRequest(
            "Missing required parameter: 'image'.", param="image", code="missing_required_parameter"
        )


def _mask(form: Form) -> Sent | None:
    masks = form.files(_MASK)
    return Sent(masks[-1], _MASK) if masks else None


def _named(value: Any) -> list[Sent]:
    """The same of JSON."""
    image, images = getattr(value, "image", None), getattr(value, "images", None)
    found = [image] if isinstance(image, str) else [*(image or ()), *(images or ())]
    return _placed([each.image_url if isinstance(each, ImageReference) else each for each in found])


def _named_mask(value: Any) -> Sent | None:
    mask = getattr(value, "mask", None)
    if isinstance(mask, ImageReference):
        mask = mask.image_url
    return Sent(mask, _MASK) if mask else None


def _placed(sources: list[Any]) -> list[Sent]:
    if len(sources) == 1:
        return [Sent(sources[0], "image")]
    return [Sent(source, f"image[{place}]") for place, source in enumerate(sources)]


async def _read(
    sent: Sent, settings: Settings, uploads: Uploads, make: Callable[[bytes, float], "Image.Image"]
) -> tuple[str, tuple[int, int]]:
    """The blob of the picture, and its size. Files of many megabytes do not stay in memory."""

    def stored(data: bytes, most: float) -> tuple[str, tuple[int, int]]:
        image = make(data, most)
        return uploads.put(_png(image)), image.size

    with refusals(f"The picture in '{sent.place}'", sent.place):
        async with image_bytes(sent.source, settings) as data:
            return await decoding(stored, data, settings.max_image_megapixels * 1e6)


def _picture(data: bytes, most: float) -> "Image.Image":
    from mlxq.media.images import open_image

    return open_image(data, most)


def _opacity(data: bytes, most: float) -> "Image.Image":
    from PIL import Image

    from mlxq.media.images import open_mask

    opacity = open_mask(data, most)
    return Image.merge("LA", (Image.new("L", opacity.size), opacity))


def _png(image: "Image.Image") -> bytes:
    image.info.clear()
    file = io.BytesIO()
    image.save(file, format="PNG", compress_level=_LITTLE_WORK)
    return file.getvalue()
