"""Pictures through OpenAI's SDK, from random models: what comes back, and what is there for those who come later."""

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from openai.types import ImagesResponse
from PIL import Image

from tests.support.checkpoints import random_qwen3
from tests.support.image_checkpoints import random_flux2, random_z_image
from tests.support.images import encoded, picture
from tests.support.stories import outcome, story
from tests.support.system import System

PNG = encoded(picture(3, 48, 32))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """`zimage`, the default, and `klein`."""
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "chat", seed=1)
    random_z_image(root / "z-image", seed=1)
    random_flux2(root / "klein", seed=2)
    running = System(root, "chat", ZIMAGE_MODEL_DIR=root / "z-image", IMAGE_MODEL="zimage")
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def sdk(system: System) -> openai.OpenAI:
    return system.openai()


def files(answer: ImagesResponse) -> list[bytes]:
    """The files in an answer, which are also where it says."""
    sent = [base64.b64decode(each.b64_json or "") for each in answer.data or ()]
    assert [httpx.get(each.url or "").content for each in answer.data or ()] == sent
    return sent


def opened(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file))


def pixels(file: bytes) -> Any:
    return np.asarray(opened(file).convert("RGB"), dtype=np.int16)


def submit(system: System, **fields: Any) -> str:
    body = {"prompt": "A fox", "size": "32x32", "background": True, **fields}
    accepted = system.http.post("/v1/images/generations", json=body)
    assert accepted.status_code == 202, accepted.text
    job_id: str = accepted.json()["id"]
    return job_id


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_generate(form: Any, sdk: openai.OpenAI) -> None:
    wanted: dict[str, Any] = {
        "model": "dall-e-3",
        "prompt": "A red square",
        "size": "48x32",
        "output_format": form,
    }
    two = files(sdk.images.generate(**wanted, n=2, extra_body={"seed": 7}))
    assert [(opened(file).size, opened(file).format) for file in two] == [((48, 32), form.upper())] * 2
    assert two[0] != two[1]
    # The second of two pictures is the first one of the seed after.
    assert files(sdk.images.generate(**wanted, extra_body={"seed": 8})) == two[1:]
    drawn = sdk.images.generate(**wanted)
    assert drawn.data is not None
    seed = drawn.data[0].to_dict()["seed"]
    assert files(sdk.images.generate(**wanted, extra_body={"seed": seed})) == files(drawn)


def test_what_is_written_into_a_file(sdk: openai.OpenAI, system: System) -> None:
    wanted: dict[str, Any] = {"prompt": "A fox 🦊", "size": "32x32"}
    (file,) = files(sdk.images.generate(**wanted, extra_body={"seed": 1, "steps": 3}))
    told = {str(name): str(value) for name, value in opened(file).info.items()}
    assert told["prompt"] == "A fox 🦊"
    assert (told["model"], told["seed"], told["steps"], told["size"]) == ("z-image", "1", "3", "32x32")
    assert str(system.redis.data_dir.parent).encode() not in file
    (bare,) = files(sdk.images.generate(**wanted, extra_body={"seed": 1, "steps": 3, "metadata": False}))
    assert (pixels(bare) == pixels(file)).all()
    assert not opened(bare).info


@pytest.mark.parametrize("model", ["zimage", "klein"])
def test_edit(model: str, sdk: openai.OpenAI) -> None:
    def edit(strength: float | None = None, **more: Any) -> bytes:
        extra = {"seed": 1, **({} if strength is None else {"strength": strength})}
        wanted = {"model": model, "prompt": "Snow", "size": "48x32", **more}
        (file,) = files(sdk.images.edit(image=PNG, extra_body=extra, **wanted))
        return file

    before = pixels(PNG)
    assert np.abs(pixels(edit(strength=0)) - before).max() <= 2
    assert np.abs(pixels(edit(strength=1)) - before).mean() > 10
    mask = picture(1, 48, 32).convert("RGBA")
    mask.paste((0, 0, 0, 0), (0, 0, 24, 32))
    changed = np.abs(pixels(edit(strength=1, mask=encoded(mask))) - before)
    assert changed[:, :16].mean() > 10 * changed[:, 32:].mean()


def test_edit_of_several_pictures(sdk: openai.OpenAI) -> None:
    def edit(*images: bytes) -> bytes:
        wanted: dict[str, Any] = {"model": "klein", "prompt": "Both", "size": "32x32"}
        (file,) = files(sdk.images.edit(image=list(images), extra_body={"seed": 1, "steps": 1}, **wanted))
        return file

    other = encoded(picture(5, 64, 64), "WEBP")
    both, one = edit(PNG, other), edit(PNG)
    assert opened(both).size == opened(one).size == (32, 32)
    assert both != one


def test_create_variation(sdk: openai.OpenAI) -> None:
    size: Any = "48x32"
    with pytest.warns(DeprecationWarning, match="deprecated"):
        answer = sdk.images.create_variation(image=PNG, n=2, size=size, extra_body={"steps": 3})
    one, other = files(answer)
    assert opened(one).size == opened(other).size == (48, 32)
    assert len({one, other, PNG}) == 3


def test_a_stream_shows_what_comes(sdk: openai.OpenAI) -> None:
    size: Any = "32x32"
    stream = sdk.images.generate(prompt="A fox", size=size, stream=True, partial_images=3)
    events = [event.to_dict() for event in stream]
    names = [str(event["type"]).removeprefix("image_generation.") for event in events]
    assert names == [*["partial_image"] * 3, "completed"]
    shown = [base64.b64decode(str(event["b64_json"])) for event in events]
    assert {opened(file).size for file in shown} == {(32, 32)}
    assert len(set(shown)) == 4


def test_a_job_is_watched_and_its_end_foreseen(system: System) -> None:
    first = submit(system)
    ended = outcome(system, first)
    assert ended["status"] == "completed", ended
    (image,) = ended["result"]["data"]
    events = story(system, first)
    steps = [event.data for event in events if event.type == "progress"]
    assert [step["done"] for step in steps] == list(range(1, 10))
    assert {step["total"] for step in steps} == {9}
    previews = [event.data for event in events if event.type == "preview"]
    assert [preview["step"] for preview in previews] == list(range(1, len(previews) + 1))
    assert len(previews) >= 8
    for preview in previews:
        assert max(opened(httpx.get(preview["url"]).content).size) <= 256
    assert opened(httpx.get(image["url"]).content).size == (32, 32)
    # What is said in events and jobs tells nothing of where files lie.
    assert "blob-" not in json.dumps([ended, [event.data for event in events]])
    # Steps of this model on this machine are known now.
    jobs = [submit(system, n=10, steps=50), submit(system, n=2)]
    system.wait_until(lambda: system.job(jobs[1])["eta"], "its end is not foreseen")
    for job_id in reversed(jobs):
        system.http.post(f"/v1/jobs/{job_id}/cancel")
        assert outcome(system, job_id)["status"] == "cancelled"
    assert system.job(jobs[1])["eta"] is None


def test_a_picture_is_there_after_its_api_was_killed(system: System) -> None:
    # The first is in hand, the second waits; nobody asks while they are made.
    jobs = [submit(system, n=3, seed=5), submit(system, seed=5, response_format="b64_json")]
    system.kill_api()
    system.start_api()
    several, one = (outcome(system, job_id) for job_id in jobs)
    assert several["status"] == one["status"] == "completed"
    contents = [httpx.get(image["url"]).content for image in several["result"]["data"]]
    assert len(contents) == 3
    assert httpx.get(one["result"]["data"][0]["url"]).content == contents[0]
