"""`/v1/images/generations`: what reaches the queue, and how pictures come back."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from jobs.blobs import BlobStore
from tests.support.api_server import ApiServer
from tests.support.openai_shape import check_shape
from tests.support.painter import PNG, made, paint, told
from tests.support.scripted_worker import ScriptedWorker


def test_openais_client_gets_pictures_of_a_text(sdk: openai.OpenAI, painter: ScriptedWorker) -> None:
    answer = sdk.images.generate(
        model="gpt-image-1", prompt="A fox", n=2, size="1024x1024", extra_body={"seed": 2**32 - 1}
    )
    assert answer.data is not None
    assert [base64.b64decode(each.b64_json or "") for each in answer.data] == [made(0), made(1)]
    assert [httpx.get(each.url or "").content for each in answer.data] == [made(0), made(1)]
    assert [each.revised_prompt for each in answer.data] == ["A fox", "A fox"]
    assert [each.to_dict()["seed"] for each in answer.data] == [2**32 - 1, 0]
    check_shape("ImagesResponse", answer.to_dict(mode="json"))
    job_id = painter.runs[0].claim.job_id
    assert job_id.startswith("img-")
    assert (answer.data[0].url or "").endswith(f"/v1/jobs/{job_id}/artifacts/100")
    assert painter.runs[0].payload == {
        "prompt": "A fox",
        "mode": "generate",
        "n": 2,
        "width": 1024,
        "height": 1024,
        "format": "png",
        "compression": None,
        "seed": 2**32 - 1,
        "previews": False,
        "metadata": True,
    }


def test_what_the_older_servers_pages_ask_for(
    make_api: Callable[..., ApiServer], painter: ScriptedWorker, model_root: Path
) -> None:
    schnell = model_root / "black-forest-labs" / "FLUX.1-schnell"
    (schnell / "transformer").mkdir(parents=True)
    (schnell / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    folders = {"zimage_model_dir": str(model_root / "paints"), "flux_model_dir": str(model_root / "klein")}
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("paints", {"model": "zimage", "size": "512x512", "n": 1}),
        ("klein", {"model": "flux", "size": "1024x1024"}),
        (
            "paints",
            {"model": "zimage", "size": "512x512", "image": base64.b64encode(PNG).decode(), "strength": 0.75},
        ),
        (
            "black-forest-labs/FLUX.1-schnell",
            {"model": "argmaxinc/mlx-FLUX.1-schnell", "n": 1, "size": "1024x1024"},
        ),
    ]
    with httpx.Client(base_url=make_api(image_model="zimage", **folders).url, timeout=30) as http:
        for model, body in bodies:
            answer = paint(http, **body)
            assert answer.status_code == 200, answer.text
            (image,) = answer.json()["data"]
            assert base64.b64decode(image["b64_json"]) == made(0)
            assert http.get(image["url"]).content == made(0)
            assert image["revised_prompt"] == "A fox"
            assert painter.runs[-1].claim.model == model


@pytest.mark.parametrize(
    ("form", "named"), [(None, {"b64_json", "url"}), ("url", {"url"}), ("b64_json", {"b64_json"})]
)
def test_pictures_come_as_they_are_wanted(
    form: str | None, named: set[str], http: httpx.Client, painter: ScriptedWorker
) -> None:
    (image,) = paint(http, response_format=form).json()["data"]
    assert image.keys() == {*named, "revised_prompt", "seed"}


def test_a_file_is_fetched_as_what_it_is(http: httpx.Client, painter: ScriptedWorker) -> None:
    url = paint(http, output_format="jpeg", response_format="url").json()["data"][0]["url"]
    file = http.get(url)
    assert (file.headers["content-type"], file.content) == ("image/jpeg", made(0))
    assert file.headers["content-disposition"].endswith('-100.jpg"')
    assert http.get(url.replace("100", "101")).status_code == 404


def test_a_file_whose_time_is_over_is_not_there(
    http: httpx.Client, painter: ScriptedWorker, blobs: BlobStore
) -> None:
    url = paint(http, response_format="url").json()["data"][0]["url"]
    assert blobs.sweep(age=-1) == 1
    answer = http.get(url)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "file_not_found")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"steps": 7, "guidance": 2.5, "negative_prompt": "blue"}, {"steps": 7, "guidance": 2.5}),
        ({"num_inference_steps": 3, "guidance_scale": 0}, {"steps": 3, "guidance": 0}),
        ({"quality": "low"}, {"steps": 5}),
        ({"quality": "hd"}, {"steps": 14}),
        ({"quality": "auto"}, {}),
        ({"quality": "high", "steps": 2}, {"steps": 2}),
        ({"quality": "high", "model": "klein"}, {"steps": 6}),
        ({"output_format": "webp", "output_compression": 30}, {"format": "webp", "compression": 30}),
        ({"size": "640x16"}, {"width": 640, "height": 16}),
        ({"size": "auto"}, {"width": 1024, "height": 1024}),
        ({"seed": 2**40 + 5}, {"seed": 5}),
        ({"partial_images": 2, "previews": True}, {"partial_images": 2, "previews": True}),
        ({"metadata": False}, {"metadata": False}),
        ({"n": None, "size": None, "quality": None, "background": None, "strength": 0.5}, {"n": 1}),
    ],
)
def test_what_the_engine_is_told(
    fields: dict[str, Any], expected: dict[str, Any], http: httpx.Client, painter: ScriptedWorker
) -> None:
    payload = told(painter, paint(http, **fields))
    usual = {"n": 1, "width": 1024, "height": 1024, "format": "png", "compression": None}
    rest = {"prompt": "A fox", "mode": "generate", "previews": False, "metadata": True}
    if "negative_prompt" in fields:
        rest["negative_prompt"] = fields["negative_prompt"]
    drawn = {} if "seed" in expected else {"seed": payload["seed"]}
    assert payload == {**usual, **rest, **drawn, **expected}


def test_who_names_no_seed_gets_another_one_each_time(http: httpx.Client, painter: ScriptedWorker) -> None:
    seeds = {paint(http, **fields).json()["data"][0]["seed"] for fields in ({}, {}, {"seed": -1})}
    assert len(seeds) == 3
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_what_means_nothing_here_is_named(http: httpx.Client, painter: ScriptedWorker) -> None:
    answer = paint(http, style="vivid", moderation="low", user="me", background="opaque")
    assert answer.headers["warning"] == '299 mlxq "ignored fields: style"'
    files = {"image": PNG}
    data = {"prompt": "x", "input_fidelity": "high", "style": "natural", "seed": ""}
    answer = http.post("/v1/images/edits", files=files, data=data)
    assert answer.headers["warning"] == '299 mlxq "ignored fields: input_fidelity, style"'


def test_loras_are_files_below_the_model_roots(
    http: httpx.Client, painter: ScriptedWorker, model_root: Path, tmp_path: Path
) -> None:
    ink = "styles/ink.safetensors"
    payload = told(painter, paint(http, loras=["styles", {"path": "styles/ink.safetensors", "scale": 0.5}]))
    assert payload["loras"] == [{"name": ink, "scale": 1.0}, {"name": ink, "scale": 0.5}]
    form: dict[str, Any] = {"prompt": "x", "loras": '[{"path": "styles", "scale": 2}]'}
    payload = told(painter, http.post("/v1/images/edits", files={"image": PNG}, data=form))
    assert payload["loras"] == [{"name": ink, "scale": 2.0}]
    form = {"prompt": "x", "loras[]": ["styles", "styles/ink.safetensors"]}
    payload = told(painter, http.post("/v1/images/edits", files={"image": PNG}, data=form))
    assert payload["loras"] == [{"name": ink, "scale": 1.0}] * 2
    payload = told(painter, paint(http, loras=[str(model_root / ink)]))
    assert payload["loras"] == [{"name": ink, "scale": 1.0}]
    (model_root / "link.safetensors").symlink_to(tmp_path / "secret.safetensors")
    for name in ("../secret.safetensors", str(tmp_path / "secret.safetensors"), "link.safetensors", "paints"):
        answer = paint(http, loras=[name])
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "loras")
        assert str(model_root) not in answer.text


@pytest.mark.parametrize(
    ("fields", "warned"),
    [
        ({"negative_prompt": "blue"}, ["'negative_prompt' has no effect: the model 'paints' takes none"]),
        ({"negative_prompt": "blue", "guidance": 1}, ["'guidance' has no effect", "'negative_prompt'"]),
        ({"guidance_scale": 0}, []),
        ({"negative_prompt": "blue", "model": "klein"}, ["its guidance is not above 1, 1 without one"]),
        ({"negative_prompt": "blue", "model": "klein", "guidance": 2}, []),
        ({"negative_prompt": "blue", "model": "schnell", "guidance": 3}, ["'guidance'", "'negative_prompt'"]),
        ({"model": "dev", "guidance": 3}, []),
        ({"model": "dev", "guidance": 3, "negative_prompt": "blue"}, ["the model 'dev' takes none"]),
        ({"model": "base", "negative_prompt": "blue"}, []),
        ({"model": "base", "negative_prompt": "blue", "guidance": 1}, ["4 without one"]),
        ({"quality": "hd", "steps": 3}, ["'quality' has no effect beside a number of steps"]),
        ({"quality": "auto", "steps": 3}, []),
        ({"strength": 0.5}, ["'strength' has no effect without an input image"]),
        ({"output_compression": 30}, ["'output_compression' has no effect on a PNG"]),
        ({"style": "vivid", "output_compression": 30}, ["ignored fields: style", "PNG"]),
    ],
)
def test_what_has_no_effect_is_told(
    fields: dict[str, Any],
    warned: list[str],
    make_api: Callable[..., ApiServer],
    painter: ScriptedWorker,
    model_root: Path,
) -> None:
    for name, pipeline in (("schnell", "FluxPipeline"), ("dev", "FluxPipeline"), ("base", "ZImagePipeline")):
        put = model_root / name / "transformer"
        put.mkdir(parents=True)
        (put.parent / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
        (put / "config.json").write_text(json.dumps({"guidance_embeds": name == "dev"}))
    (model_root / "base" / "scheduler").mkdir()
    (model_root / "base" / "scheduler" / "scheduler_config.json").write_text('{"shift": 6.0}')
    with httpx.Client(base_url=make_api().url, timeout=30) as http:
        answer = paint(http, **fields)
    warning = answer.headers.get("warning", "")
    assert (answer.status_code, warning.count("299 mlxq")) == (200, len(warned)), warning
    for each in warned:
        assert each in warning


def test_metadata_can_be_switched_off_for_all(
    make_api: Callable[..., ApiServer], painter: ScriptedWorker
) -> None:
    with httpx.Client(base_url=make_api(image_metadata=False).url, timeout=30) as http:
        assert told(painter, paint(http, metadata=True))["metadata"] is False


def test_the_same_request_means_the_same_pictures(http: httpx.Client, painter: ScriptedWorker) -> None:
    def send(file: bytes, prompt: str = "x") -> httpx.Response:
        key = {"idempotency-key": "k"}
        return http.post("/v1/images/edits", files={"image": file}, data={"prompt": prompt}, headers=key)

    first = send(PNG)
    assert send(PNG).json() == first.json()
    assert len(painter.runs) == 1
    assert send(made(3)).status_code == 409
    assert send(PNG, "y").status_code == 409
