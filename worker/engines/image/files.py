"""Images as files: PNG, JPEG and WebP, with what is known of how they were made.

The same pixels and the same facts are the same bytes. It knows nothing of models.
"""

import io
import json
from collections.abc import Mapping

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from worker.engines.image.diffusion import Pixels

_QUALITY, _PREVIEW_QUALITY = 95, 80
_SOFTWARE, _DESCRIPTION, _EXIF, _USER_COMMENT = 0x0131, 0x010E, 0x8769, 0x9286


def encode(pixels: Pixels, kind: str, quality: int | None, facts: Mapping[str, str | int | float]) -> bytes:
    """A file of that kind. `quality` 0 to 100 is for JPEG and WebP; no facts, no metadata."""
    image, file = Image.fromarray(pixels), io.BytesIO()
    if kind == "png":
        text = PngInfo()
        for name, value in facts.items():
            text.add_itxt(name, str(value))
        image.save(file, "PNG", pnginfo=text)
    else:
        options = {"exif": _exif(facts)} if facts else {}
        image.save(file, kind.upper(), quality=_QUALITY if quality is None else quality, **options)
    return file.getvalue()


def encode_preview(pixels: Pixels) -> bytes:
    """A small JPEG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_PREVIEW_QUALITY)
    return file.getvalue()


def _exif(facts: Mapping[str, str | int | float]) -> bytes:
    """The facts as JSON in the user's comment, where other programs for images look for them."""
    exif = Image.Exif()
    exif[_SOFTWARE] = "mlxq"
    exif[_DESCRIPTION] = str(facts.get("prompt", "")).encode("ascii", "replace").decode()
    comment = json.dumps(dict(facts), ensure_ascii=False)
    exif.get_ifd(_EXIF)[_USER_COMMENT] = b"UNICODE\0" + comment.encode("utf-16-be")
    return exif.tobytes()
