"""Pictures as users send them: judged by their content, upright, as RGB.

The API opens a picture to refuse what can't be read; the worker opens it again for the model.
"""

import io
from collections.abc import Callable

from PIL import Image, ImageOps

#: What is taken. Pillow opens no other format here, so that no obscure decoder can be reached.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP")


class UnreadablePicture(ValueError):
    """The message says why, for the user."""


def open_picture(data: bytes, max_pixels: float) -> Image.Image:
    """The picture in these bytes, of an animation the first frame. Raises UnreadablePicture."""
    return _opened(data, max_pixels, _rgb)


def open_mask(data: bytes, max_pixels: float) -> Image.Image:
    """How opaque the picture in these bytes is, in grey: 0 where nothing is. Raises UnreadablePicture."""
    return _opened(data, max_pixels, _opacity)


def _opened(data: bytes, max_pixels: float, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(max_pixels) from None
    except Exception as error:  # Pillow's plug-ins raise what their authors chose
        raise UnreadablePicture("it is no JPEG, PNG, GIF or WebP image") from error
    if picture.width * picture.height > max_pixels:
        raise _too_large(max_pixels)
    try:
        return convert(ImageOps.exif_transpose(picture))
    except UnreadablePicture:
        raise
    except Exception as error:
        raise UnreadablePicture("its data is broken") from error


def _too_large(max_pixels: float) -> UnreadablePicture:
    return UnreadablePicture(f"it has more than {max_pixels / 1e6:g} million pixels")


def _rgb(picture: Image.Image) -> Image.Image:
    """On white where it is transparent; 16 bits of grey become 8."""
    if picture.mode.startswith("I"):
        return picture.point(lambda value: value / 256).convert("L").convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        ground = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(ground, picture)
    return picture.convert("RGB")


def _opacity(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        raise UnreadablePicture("nothing in it is transparent, and what is transparent is changed")
    return picture.convert("RGBA").getchannel("A")
