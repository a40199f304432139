"""The view Images: previews, cancelling, the gallery, the same seed again, a mask."""

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.page.watched import Watched


@pytest.fixture
def images(tab: Watched) -> Page:
    """The view, which asks for small images of few steps."""
    page = tab.open("images").page
    page.get_by_label("Size", exact=True).select_option("custom")
    page.get_by_label("Width").fill("64")
    page.get_by_label("Height").fill("64")
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Steps", exact=True).fill("2")
    return page


def test_an_image_shows_previews_and_is_cancelled(images: Page) -> None:
    images.get_by_label("Prompt", exact=True).fill("<b>a red fox</b>")
    images.get_by_label("Steps", exact=True).fill("100")
    images.get_by_label("Images", exact=True).fill("10")
    images.get_by_role("button", name="Make 10 images").click()
    job = images.get_by_label("In progress").get_by_role("article")
    expect(job.get_by_role("img", name="Preview of image 1")).to_be_visible()
    expect(job).to_contain_text("<b>a red fox</b>")
    job.get_by_role("button", name="Cancel").click()
    expect(images.get_by_label("In progress")).to_have_count(0)


def test_an_image_of_the_gallery_is_made_again_with_its_seed(images: Page) -> None:
    images.get_by_label("Prompt", exact=True).fill("a blue fox")
    images.get_by_label("Prompt", exact=True).press("Control+Enter")
    tile = images.get_by_label("Gallery").get_by_role("button", name="Open the image: a blue fox").first
    tile.click()
    opened = images.get_by_role("dialog")
    seed = opened.locator("dt:has-text('Seed') + dd").inner_text()
    first = opened.get_by_role("img").get_attribute("src")
    opened.get_by_role("button", name="Use again, same seed").click()
    expect(images.get_by_label("Seed", exact=True)).to_have_value(seed)

    images.get_by_role("button", name="Make an image").click()
    tiles = images.get_by_label("Gallery").get_by_role("button", name="Open the image: a blue fox")
    expect(tiles).to_have_count(2)
    tiles.first.click()
    second = opened.get_by_role("img").get_attribute("src")
    assert first is not None
    assert second is not None
    assert first != second
    assert images.request.get(first).body() == images.request.get(second).body()


def test_what_is_painted_on_an_image_is_made_anew(images: Page) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), (0, 0, 255)).save(picture, "PNG")
    images.locator(".drop input[type=file]").set_input_files(
        {"name": "blue.png", "mimeType": "image/png", "buffer": picture.getvalue()}
    )
    mask = images.get_by_role("application", name=re.compile("^Mask"))
    mask.focus()
    for key in [" ", *["ArrowRight"] * 6, " "]:
        mask.press(key)
    images.get_by_label("Prompt", exact=True).fill("a yellow dot")
    images.get_by_label("Size", exact=True).select_option("auto")
    images.get_by_role("button", name="Make an image").click()
    images.get_by_label("Gallery").get_by_role("button", name="Open the image: a yellow dot").click()
    address = images.get_by_role("dialog").get_by_role("img").get_attribute("src")
    assert address is not None
    made = Image.open(io.BytesIO(images.request.get(address).body())).convert("RGB")
    assert made.getpixel((2, 2)) == (0, 0, 255), "the rest stays"
    assert made.getpixel((36, 32)) != (0, 0, 255)
