"""Pictures: what is made of one, as before it was made in bands, and how little memory a large one takes."""

import io
import subprocess
import sys
from typing import Any

import pytest
from PIL import Image, ImageOps

from config.settings import REPO
from mlxq.media.images import TRANSPARENT, check_image, open_image, open_mask, pixels
from mlxq.media.unreadable import UnreadableImage

SIZE = (1500, 900)


def gradient(mode: str) -> Image.Image:
    """A picture of several bands in that mode; those with an opacity have all values of it."""
    grey = Image.linear_gradient("L").resize(SIZE)
    rgb = Image.merge("RGB", (grey, grey.rotate(90), ImageOps.mirror(grey)))
    if mode in ("RGBA", "LA"):
        picture = rgb.convert(mode)
        picture.putalpha(ImageOps.flip(grey))
        return picture
    return rgb.convert(mode)


def file(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    target = io.BytesIO()
    picture.save(target, form, **options)
    return target.getvalue()


CASES: list[tuple[str, dict[str, Any]]] = [
    ("RGB", {}),
    ("RGBA", {}),
    ("LA", {}),
    ("L", {"transparency": 7}),
    ("RGB", {"transparency": (3, 4, 5)}),
    ("P", {"transparency": 3}),
    ("P", {"transparency": bytes(range(256))}),
    ("1", {"transparency": 0}),
]


@pytest.mark.parametrize(("mode", "options"), CASES)
def test_what_is_transparent_is_white_in_every_band(mode: str, options: dict[str, Any]) -> None:
    data = file(gradient(mode), **options)
    stored = Image.open(io.BytesIO(data))
    whole = stored.convert("RGBA")
    expected = Image.alpha_composite(Image.new("RGBA", SIZE, "white"), whole).convert("RGB")
    assert open_image(data, 1e9).tobytes() == expected.tobytes()
    opacity = whole.getchannel("A")
    if any(opacity.histogram()[:TRANSPARENT]):
        assert open_mask(data, 1e9).tobytes() == opacity.tobytes()
    else:
        with pytest.raises(UnreadableImage, match="nothing in it is transparent"):
            open_mask(data, 1e9)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_made_smaller_where_there_is_little_room(form: str) -> None:
    data = file(gradient("RGB"), form)
    assert pixels(data, 1e9) == SIZE[0] * SIZE[1]
    room = SIZE[0] * SIZE[1] / 9
    small = open_image(data, 1e9, room)
    assert room / 4 < small.width * small.height <= room
    assert small.width * SIZE[1] == small.height * SIZE[0]
    likeness = Image.open(io.BytesIO(data)).convert("RGB").reduce(3)
    pairs = zip(small.resize((8, 8)).tobytes(), likeness.resize((8, 8)).tobytes(), strict=True)
    assert max(abs(one - other) for one, other in pairs) < 8
    assert open_image(data, 1e9, SIZE[0] * SIZE[1]).size == SIZE


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_picture_that_breaks_off_is_found_without_making_it(form: str) -> None:
    data = file(gradient("RGB"), form)
    check_image(data, 1e9)
    for broken in (data[: len(data) // 2], b"", b"no picture"):
        with pytest.raises(UnreadableImage):
            check_image(broken, 1e9)
    with pytest.raises(UnreadableImage, match="more than 1 million pixels"):
        check_image(data, 1e6)


LARGE = """
import resource, sys
from mlxq.media.images import check_image, open_image
data = open(sys.argv[1], "rb").read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{"check": check_image, "open": open_image}[sys.argv[2]](data, 5e7)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(("verb", "megabytes"), [("check", 100), ("open", 350)])
def test_fifty_million_pixels_take_little_memory(tmp_path: Any, verb: str, megabytes: int) -> None:
    """A file of a few kilobytes: a palette of two colours, one of them transparent."""
    picture = Image.new("P", (7000, 7000))
    picture.putpalette([0, 0, 0, 255, 255, 255])
    path = tmp_path / "large.png"
    path.write_bytes(file(picture, transparency=0))
    assert path.stat().st_size < 100_000
    run = [sys.executable, "-c", LARGE, str(path), verb]
    grown = int(subprocess.run(run, cwd=REPO, capture_output=True, text=True, check=True).stdout)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    assert grown < megabytes * unit
