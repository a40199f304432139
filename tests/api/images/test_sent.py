"""Pictures that are sent: to begin with, to be edited, to be varied."""

import base64
import io
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from jobs.blobs import BlobStore
from mlxq.media.images import open_image, open_mask
from tests.support.api_server import ApiServer
from tests.support.images import Web, data_url, encoded, picture
from tests.support.openai_shape import check_shape
from tests.support.painter import PNG, made, mask, paint, told
from tests.support.scripted_worker import ScriptedWorker


@pytest.mark.parametrize("sent", ["base64", "data", "address", "list"])
def test_a_picture_to_begin_with(
    sent: str, make_api: Callable[..., ApiServer], painter: ScriptedWorker, blobs: BlobStore
) -> None:
    upright = encoded(picture(1, 64, 48).rotate(90, expand=True), exif=_turned())
    with Web() as web, httpx.Client(base_url=make_api(allow_private_urls=True).url, timeout=30) as http:
        text = base64.b64encode(upright).decode()
        image: Any = {
            "base64": text,
            "data": data_url(upright),
            "address": web.serve("/fox.png", upright),
            "list": [text],
        }[sent]
        payload = told(painter, paint(http, image=image))
    (blob,) = payload["images"]
    assert (payload["width"], payload["height"], payload["strength"]) == (64, 48, 0.75)
    stored = Image.open(io.BytesIO(blobs.read(blob)))
    assert (stored.mode, stored.size, stored.getexif()) == ("RGB", (64, 48), Image.Exif())
    assert stored.tobytes() == picture(1, 64, 48).tobytes()


def _turned() -> Image.Exif:
    """Says of a picture that it has to be turned a quarter to the right."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_a_picture_gives_its_shape_to_those_made_of_it(http: httpx.Client, painter: ScriptedWorker) -> None:
    wide = base64.b64encode(encoded(picture(1, 1800, 600))).decode()
    payload = told(painter, paint(http, image=wide, strength=0))
    assert (payload["width"], payload["height"], payload["strength"]) == (1776, 592, 0)
    payload = told(painter, paint(http, image=wide, size="64x64"))
    assert (payload["width"], payload["height"]) == (64, 64)


def test_openais_client_edits(sdk: openai.OpenAI, painter: ScriptedWorker, blobs: BlobStore) -> None:
    answer = sdk.images.edit(
        model="klein",
        image=[("a.png", PNG), ("b.webp", encoded(picture(2, 20, 20), "WEBP"))],
        prompt="A fox in the snow",
        size="1024x1024",
        n=2,
        extra_body={"seed": 3, "steps": 2},
    )
    assert answer.data is not None
    assert [base64.b64decode(each.b64_json or "") for each in answer.data] == [made(0), made(1)]
    check_shape("ImagesResponse", answer.to_dict(mode="json"))
    payload = painter.runs[0].payload
    assert (payload["mode"], payload["prompt"], payload["n"]) == ("edit", "A fox in the snow", 2)
    assert (payload["seed"], payload["steps"], "strength" in payload) == (3, 2, False)
    sizes = [open_image(blobs.read(blob), 1e6).size for blob in payload["images"]]
    assert sizes == [(64, 48), (20, 20)]
    sdk.images.edit(image=PNG, mask=mask(), prompt="x", extra_body={"strength": 0.5})
    payload = painter.runs[1].payload
    assert payload["strength"] == 0.5
    opacity = open_mask(blobs.read(payload["mask"]), 1e6)
    assert (opacity.getpixel((0, 0)), opacity.getpixel((63, 0))) == (0, 255)


def test_openais_client_wants_variations(sdk: openai.OpenAI, painter: ScriptedWorker) -> None:
    with pytest.warns(DeprecationWarning, match="deprecated"):
        answer = sdk.images.create_variation(image=("a.png", PNG), n=1, size="256x256", response_format="url")
    assert answer.data is not None
    assert httpx.get(answer.data[0].url or "").content == made(0)
    assert answer.data[0].revised_prompt is None
    payload = painter.runs[0].payload
    assert (payload["mode"], payload["prompt"], payload["width"]) == ("variation", "", 256)
    assert len(payload["images"]) == 1


@pytest.mark.parametrize("files", [None, {"other": ("x.txt", b"x")}])
def test_a_text_in_the_place_of_a_file_is_not_said_to_be_ignored(
    http: httpx.Client, painter: ScriptedWorker, files: Any
) -> None:
    form = {"prompt": "x", "image": data_url(PNG), "mask": data_url(mask())}
    answer = http.post("/v1/images/edits", data=form, files=files)
    payload = told(painter, answer)
    assert len(payload["images"]) == 1
    assert "mask" in payload
    assert "warning" not in answer.headers


def test_json_edits_and_other_addresses(http: httpx.Client, painter: ScriptedWorker) -> None:
    reference = {"image_url": data_url(PNG)}
    body = {"prompt": "x", "images": [reference], "mask": {"image_url": data_url(mask())}}
    payload = told(painter, http.post("/images/edits", json=body))
    assert (payload["width"], payload["height"], len(payload["images"])) == (64, 48, 1)
    assert "mask" in payload
    text = base64.b64encode(PNG).decode()
    assert told(painter, http.post("/images/variations", json={"image": text}))["mode"] == "variation"
    assert told(painter, http.post("/images/generations/", json={"prompt": "x"}))["prompt"] == "x"
