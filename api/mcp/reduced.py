"""A smaller version of an image, for answers that have no room for its file."""

import io

#: Of a JPEG file.
_QUALITY = 85
#: Pixels of a side that is not made shorter.
_SHORTEST = 64


def fitting(data: bytes, content_type: str, limit: int) -> tuple[bytes, str]:
    """The file itself if it has at most `limit` bytes, else a JPEG file of it, made smaller until it fits."""
    if len(data) <= limit:
        return data, content_type
    from PIL import Image

    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert("RGB")
    while True:
        file = io.BytesIO()
        image.save(file, format="JPEG", quality=_QUALITY)
        if file.tell() <= limit or min(image.size) <= _SHORTEST:
            return file.getvalue(), "image/jpeg"
        image = image.resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.LANCZOS)
