"""Images as users send them: checked by their content, upright, as RGB.

The API opens an image to refuse one that cannot be read; the worker opens it again for the model.
"""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile

from mlxq.media.unreadable import UnreadableImage

#: Accepted formats, by Pillow's names. Pillow opens no other, so that no obscure decoder is reached.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP")
#: The opacity of a mask below which a pixel is changed, and that of a pixel that is not transparent at all.
TRANSPARENT, _OPAQUE = 128, 255
#: Pixels that are converted at a time.
_BAND = 1 << 20


def pixels(data: bytes, max_pixels: float) -> int:
    """The number of pixels of the image in these bytes, by its header. Raises UnreadableImage."""
    image = _read(data, max_pixels)
    return image.width * image.height


def check_image(data: bytes, max_pixels: float) -> None:
    """Raises UnreadableImage for an image that cannot be decoded; its pixels are dropped."""
    image = _read(data, max_pixels)
    # A JPEG is also read to its end when it is decoded to an eighth of its size.
    image.draft(image.mode, (1, 1))
    with _broken():
        image.load()


def open_image(data: bytes, max_pixels: float, room: float | None = None) -> Image.Image:
    """The image in these bytes; of an animation, the first frame. Raises UnreadableImage.

    An image with more pixels than `room` is reduced by a whole factor in both directions.
    """
    image = _read(data, max_pixels)
    factor = 1
    if room is not None and image.width * image.height > room:
        factor = math.ceil(math.sqrt(image.width * image.height / room))
        before = image.width
        image.draft(image.mode, (image.width // factor, image.height // factor))
        factor = max(1, math.ceil(factor * image.width / before))
    with _broken():
        made = _rgb(_upright(image))
        return made.reduce(factor) if factor > 1 else made


def open_mask(data: bytes, max_pixels: float) -> Image.Image:
    """The alpha channel of the image in these bytes: 0 where it is transparent. Raises UnreadableImage."""
    image = _read(data, max_pixels)
    with _broken():
        return _opacity(_upright(image))


def _read(data: bytes, max_pixels: float) -> ImageFile:
    """The image, of which only the header has been read."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(max_pixels) from None
    except Exception as error:  # Pillow's plug-ins raise what their authors chose
        raise UnreadableImage("it is no JPEG, PNG, GIF or WebP image") from error
    if image.width * image.height > max_pixels:
        raise _too_large(max_pixels)
    return image


@contextmanager
def _broken() -> Iterator[None]:
    try:
        yield
    except UnreadableImage:
        raise
    except Exception as error:
        raise UnreadableImage("its data is broken") from error


def _upright(image: Image.Image) -> Image.Image:
    ImageOps.exif_transpose(image, in_place=True)
    return image


def _too_large(max_pixels: float) -> UnreadableImage:
    return UnreadableImage(f"it has more than {max_pixels / 1e6:g} million pixels")


def _rgb(image: Image.Image) -> Image.Image:
    """RGB, on white where the image is transparent; 16 bits of grey become 8."""
    if image.mode.startswith("I"):
        return image.point(lambda value: value / 256).convert("L").convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    flat = Image.new("RGB", image.size)
    for band, top in _bands(image):
        ground = Image.new("RGBA", band.size, "white")
        flat.paste(Image.alpha_composite(ground, band).convert("RGB"), (0, top))
    return flat


def _opacity(image: Image.Image) -> Image.Image:
    opacity = Image.new("L", image.size, _OPAQUE)
    if image.has_transparency_data:
        for band, top in _bands(image):
            opacity.paste(band.getchannel("A"), (0, top))
    if not any(opacity.histogram()[:TRANSPARENT]):
        raise UnreadableImage("nothing in it is transparent, and what is transparent is changed")
    return opacity


def _bands(image: Image.Image) -> Iterator[tuple[Image.Image, int]]:
    """The image in RGBA, in bands from the top, and where each begins. The whole would take four times the memory."""
    height = max(1, _BAND // image.width)
    for top in range(0, image.height, height):
        bottom = min(top + height, image.height)
        yield image.crop((0, top, image.width, bottom)).convert("RGBA"), top
