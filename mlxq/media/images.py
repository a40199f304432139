"""Pictures as users send them: judged by their content, upright, as RGB.

The API opens a picture to refuse what can't be read; the worker opens it again for the model.
"""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile

#: What is taken. Pillow opens no other format here, so that no obscure decoder can be reached.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP")
#: Pixels that are converted at a time.
_BAND = 1 << 20


class UnreadablePicture(ValueError):
    """The message says why, for the user."""


def pixels(data: bytes, max_pixels: float) -> int:
    """How many pixels the picture in these bytes has, by its header. Raises UnreadablePicture."""
    picture = _read(data, max_pixels)
    return picture.width * picture.height


def check_picture(data: bytes, max_pixels: float) -> None:
    """Raises UnreadablePicture for a picture that can't be decoded; nothing is made of it."""
    picture = _read(data, max_pixels)
    # A JPEG is read to its end also where an eighth of its size is made.
    picture.draft(picture.mode, (1, 1))
    with _broken():
        picture.load()


def open_picture(data: bytes, max_pixels: float, room: float | None = None) -> Image.Image:
    """The picture in these bytes, of an animation the first frame. Raises UnreadablePicture.

    With more pixels than `room` it is made smaller, by a whole number in both directions.
    """
    picture = _read(data, max_pixels)
    factor = 1
    if room is not None and picture.width * picture.height > room:
        factor = math.ceil(math.sqrt(picture.width * picture.height / room))
        before = picture.width
        picture.draft(picture.mode, (picture.width // factor, picture.height // factor))
        factor = max(1, math.ceil(factor * picture.width / before))
    with _broken():
        made = _rgb(_upright(picture))
        return made.reduce(factor) if factor > 1 else made


def open_mask(data: bytes, max_pixels: float) -> Image.Image:
    """How opaque the picture in these bytes is, in grey: 0 where nothing is. Raises UnreadablePicture."""
    picture = _read(data, max_pixels)
    with _broken():
        return _opacity(_upright(picture))


def _read(data: bytes, max_pixels: float) -> ImageFile:
    """The picture, of which only the header has been read."""
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(max_pixels) from None
    except Exception as error:  # Pillow's plug-ins raise what their authors chose
        raise UnreadablePicture("it is no JPEG, PNG, GIF or WebP image") from error
    if picture.width * picture.height > max_pixels:
        raise _too_large(max_pixels)
    return picture


@contextmanager
def _broken() -> Iterator[None]:
    try:
        yield
    except UnreadablePicture:
        raise
    except Exception as error:
        raise UnreadablePicture("its data is broken") from error


def _upright(picture: Image.Image) -> Image.Image:
    ImageOps.exif_transpose(picture, in_place=True)
    return picture


def _too_large(max_pixels: float) -> UnreadablePicture:
    return UnreadablePicture(f"it has more than {max_pixels / 1e6:g} million pixels")


def _rgb(picture: Image.Image) -> Image.Image:
    """On white where it is transparent; 16 bits of grey become 8."""
    if picture.mode.startswith("I"):
        return picture.point(lambda value: value / 256).convert("L").convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    flat = Image.new("RGB", picture.size)
    for band, top in _bands(picture):
        ground = Image.new("RGBA", band.size, "white")
        flat.paste(Image.alpha_composite(ground, band).convert("RGB"), (0, top))
    return flat


def _opacity(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        raise UnreadablePicture("nothing in it is transparent, and what is transparent is changed")
    opacity = Image.new("L", picture.size)
    for band, top in _bands(picture):
        opacity.paste(band.getchannel("A"), (0, top))
    return opacity


def _bands(picture: Image.Image) -> Iterator[tuple[Image.Image, int]]:
    """The picture in RGBA from top to bottom, and where each band begins: the whole would take four times as much."""
    height = max(1, _BAND // picture.width)
    for top in range(0, picture.height, height):
        bottom = min(top + height, picture.height)
        yield picture.crop((0, top, picture.width, bottom)).convert("RGBA"), top
