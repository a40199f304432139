"""`/v1/images`: what reaches the queue, what is refused before it does, and how pictures come back."""

import base64
import io
import json
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import redis
from PIL import Image

from config.settings import Settings
from jobs import keys
from jobs.blobs import BlobStore
from jobs.errors import EngineFailure
from jobs.pictures import open_mask, open_picture
from jobs.request import Category
from jobs.status import EventType
from tests.api.conftest import put_model
from tests.support.api_server import ApiServer
from tests.support.openai_shape import check_shape
from tests.support.pictures import Web, data_url, encoded, picture
from tests.support.scripted_worker import Run, ScriptedWorker

PNG = encoded(picture(1, 64, 48))
USAGE = {"input_tokens": 5, "output_tokens": 40}


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


@pytest.fixture
def painter(redis_url: str, clean_redis: redis.Redis, blobs: BlobStore) -> Iterator[ScriptedWorker]:
    """A worker that makes of every request as many pictures as it wants, each another one."""
    with ScriptedWorker(redis_url, default=lambda run: finish(run, blobs), category=Category.IMAGE) as worker:
        yield worker


def made(number: int) -> bytes:
    return encoded(picture(10 + number, 32, 16))


def finish(run: Run, blobs: BlobStore) -> None:
    payload = run.payload
    images = [
        {
            "artifact": 100 + number,
            "blob": blobs.put(made(number)),
            "seed": (payload["seed"] + number) % 2**32,
            "width": payload["width"],
            "height": payload["height"],
            "content_type": f"image/{payload['format']}",
        }
        for number in range(payload["n"])
    ]
    run.end(result={"images": images, "usage": USAGE})


def show(run: Run, blobs: BlobStore, kind: EventType, artifact: int, data: bytes, **more: Any) -> None:
    run.emit(kind, artifact=artifact, blob=blobs.put(data), content_type="image/jpeg", index=0, **more)


@pytest.fixture
def make_api(
    make_settings: Callable[..., Settings], model_root: Path, tmp_path: Path
) -> Iterator[Callable[..., ApiServer]]:
    """An API whose models are `paints`, the default, `klein`, which sees four pictures, and `tiny`, which chats."""
    put_painters(model_root)
    (model_root / "styles").mkdir()
    (model_root / "styles" / "ink.safetensors").write_bytes(b"lora")
    (tmp_path / "secret.safetensors").write_bytes(b"lora")
    running: list[ApiServer] = []

    def make(**settings: Any) -> ApiServer:
        values = {"image_model": "paints", "data_dir": tmp_path, "hub_cache": tmp_path / "hub", **settings}
        running.append(ApiServer(make_settings(**values)))
        return running[-1].__enter__()

    yield make
    for server in running:
        server.__exit__(None, None, None)


def put_painters(root: Path) -> None:
    for name, pipeline in (("paints", "ZImagePipeline"), ("klein", "Flux2KleinPipeline")):
        (root / name / "transformer").mkdir(parents=True)
        (root / name / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))


@pytest.fixture(scope="module")
def strict_api(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API of the same models for stories in which nothing gets as far as a worker."""
    folder = tmp_path_factory.mktemp("strict")
    put_painters(folder / "models")
    put_model(folder / "models", "tiny")
    values = {"image_model": "paints", "llm_model": "tiny", "model_roots": (folder / "models",)}
    settings = Settings.model_validate(
        {"redis_url": redis_url, "data_dir": folder, "hub_cache": folder / "hub", "max_image_mb": 2, **values}
    )
    with ApiServer(settings) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        yield client
        # What was refused has left nothing behind.
        assert not list(folder.glob("blobs/*"))


@pytest.fixture
def http(make_api: Callable[..., ApiServer]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=make_api().url, timeout=30) as client:
        yield client


@pytest.fixture
def sdk(http: httpx.Client) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{http.base_url}/v1", api_key="any", max_retries=0) as client:
        yield client


def paint(http: httpx.Client, **fields: Any) -> httpx.Response:
    return http.post("/v1/images/generations", json={"prompt": "A fox", **fields})


def told(painter: ScriptedWorker, answer: httpx.Response) -> dict[str, Any]:
    """What the engine was told of the last request."""
    assert answer.status_code == 200, answer.text
    return dict(painter.runs[-1].payload)


def bomb(side: int = 50_000) -> bytes:
    """A PNG file of some hundred bytes that says it has 2.5 billion pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def mask(width: int = 64, height: int = 48) -> bytes:
    """Its left half is to be changed."""
    image = picture(1, width, height).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, width // 2, height))
    return encoded(image)


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
    sizes = [open_picture(blobs.read(blob), 1e6).size for blob in payload["images"]]
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


def test_json_edits_and_other_addresses(http: httpx.Client, painter: ScriptedWorker) -> None:
    reference = {"image_url": data_url(PNG)}
    body = {"prompt": "x", "images": [reference], "mask": {"image_url": data_url(mask())}}
    payload = told(painter, http.post("/images/edits", json=body))
    assert (payload["width"], payload["height"], len(payload["images"])) == (64, 48, 1)
    assert "mask" in payload
    text = base64.b64encode(PNG).decode()
    assert told(painter, http.post("/images/variations", json={"image": text}))["mode"] == "variation"
    assert told(painter, http.post("/images/generations/", json={"prompt": "x"}))["prompt"] == "x"


def test_what_means_nothing_here_is_named(http: httpx.Client, painter: ScriptedWorker) -> None:
    answer = paint(http, style="vivid", moderation="low", user="me", background="opaque")
    assert answer.headers["warning"] == '299 mlxq "ignored fields: style"'
    files = {"image": PNG}
    data = {"prompt": "x", "input_fidelity": "high", "style": "natural", "seed": ""}
    answer = http.post("/v1/images/edits", files=files, data=data)
    assert answer.headers["warning"] == '299 mlxq "ignored fields: style"'


def test_loras_are_files_below_the_model_roots(
    http: httpx.Client, painter: ScriptedWorker, model_root: Path, tmp_path: Path
) -> None:
    ink = str(model_root / "styles" / "ink.safetensors")
    payload = told(painter, paint(http, loras=["styles", {"path": "styles/ink.safetensors", "scale": 0.5}]))
    assert payload["loras"] == [{"path": ink, "scale": 1.0}, {"path": ink, "scale": 0.5}]
    form: dict[str, Any] = {"prompt": "x", "loras": '[{"path": "styles", "scale": 2}]'}
    payload = told(painter, http.post("/v1/images/edits", files={"image": PNG}, data=form))
    assert payload["loras"] == [{"path": ink, "scale": 2.0}]
    form = {"prompt": "x", "loras[]": ["styles", "styles/ink.safetensors"]}
    payload = told(painter, http.post("/v1/images/edits", files={"image": PNG}, data=form))
    assert payload["loras"] == [{"path": ink, "scale": 1.0}] * 2
    (model_root / "link.safetensors").symlink_to(tmp_path / "secret.safetensors")
    for name in ("../secret.safetensors", str(tmp_path / "secret.safetensors"), "link.safetensors", "paints"):
        answer = paint(http, loras=[name])
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "loras")
        assert str(model_root) not in answer.text


@pytest.mark.parametrize(
    ("fields", "status", "param", "words"),
    [
        ({"prompt": None}, 400, "prompt", "string"),
        ({"prompt": " "}, 400, "prompt", "empty"),
        ({"prompt": "x" * 32_001}, 400, "prompt", "32000"),
        ({"n": 0}, 400, "n", "1"),
        ({"n": 11}, 400, "n", "10"),
        ({"n": 1.5}, 400, "n", "integer"),
        ({"size": "100x100"}, 400, "size", "multiples of 16"),
        ({"size": "0x1024"}, 400, "size", "more than 0"),
        ({"size": "100000x100000"}, 400, "size", "2048 pixels"),
        ({"size": "1024"}, 400, "size", "'1024x1024'"),
        ({"size": "-16x16"}, 400, "size", "'1024x1024'"),
        ({"size": "9999999999999x16"}, 400, "size", "'1024x1024'"),
        ({"strength": 2}, 400, "strength", "1"),
        ({"strength": -0.1}, 400, "strength", "0"),
        ({"steps": 0}, 400, "steps", "1"),
        ({"steps": 101}, 400, "steps", "100"),
        ({"guidance": 31}, 400, "guidance", "30"),
        ({"seed": 1.5}, 400, "seed", "integer"),
        ({"partial_images": 4}, 400, "partial_images", "3"),
        ({"output_format": "gif"}, 400, "output_format", "'png'"),
        ({"output_compression": 101}, 400, "output_compression", "100"),
        ({"response_format": "file"}, 400, "response_format", "'url'"),
        ({"quality": "best"}, 400, "quality", "'low'"),
        ({"background": 2}, 400, "background", "true"),
        ({"background": "transparent"}, 400, "background", "transparent"),
        ({"on_disconnect": "wait"}, 400, "on_disconnect", "'keep'"),
        ({"loras": [{"scale": 1}]}, 400, "loras[0].path", "Missing"),
        ({"loras": ["styles"] * 9}, 400, "loras", "8"),
        ({"image": "###"}, 400, "image", "no JPEG"),
        ({"image": "héllo"}, 400, "image", "base64"),
        ({"image": "data:image/png,abc"}, 400, "image", "base64"),
        ({"image": base64.b64encode(PNG[:200]).decode()}, 400, "image", "can't be used"),
        ({"image": base64.b64encode(bomb()).decode()}, 400, "image", "pixels"),
        ({"image": "http://127.0.0.1:1/a.png"}, 400, "image", "public address"),
        ({"image": "/etc/passwd"}, 400, "image", "can't be used"),
        ({"image": [base64.b64encode(PNG).decode()] * 2}, 400, "image", "takes 1"),
        ({"image": [data_url(PNG)] * 2, "strength": 1, "model": "klein"}, 400, "image", "takes 1 with"),
        ({"image": [data_url(PNG)] * 5, "model": "klein"}, 400, "image", "takes 4"),
        ({"image": "A" * 3_000_000}, 413, "image", "2 MB"),
        ({"model": "tiny"}, 400, "model", "'llm'"),
        ({"model": "nobody-knows"}, 404, "model", "does not exist"),
    ],
)
def test_bad_input_never_reaches_the_queue(
    fields: dict[str, Any],
    status: int,
    param: str,
    words: str,
    strict_api: httpx.Client,
    clean_redis: redis.Redis,
) -> None:
    answer = paint(strict_api, **fields)
    check_shape("ErrorResponse", answer.json())
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (status, param), error
    assert words in error["message"]
    assert not clean_redis.keys("rq:job:*")


@pytest.mark.parametrize(
    ("files", "data", "param", "words"),
    [
        ({}, {}, "image", "Missing"),
        ({"image": PNG}, {"prompt": ""}, "prompt", "Missing"),
        ({"image": b"no picture"}, {}, "image", "no JPEG"),
        ({"image": b""}, {}, "image", "no JPEG"),
        ({"image": bomb()}, {}, "image", "pixels"),
        ({"image": PNG, "mask": bomb()}, {}, "mask", "pixels"),
        ({"image": PNG, "mask": mask(48, 64)}, {}, "mask", "48x64 in size, and its image 64x48"),
        ({"image": PNG, "mask": PNG}, {}, "mask", "transparent"),
        ({"image": PNG}, {"size": "100x100"}, "size", "multiples of 16"),
        ({"image": PNG}, {"n": "11"}, "n", "10"),
        ({"image": PNG}, {"n": "many"}, "n", "integer"),
        ({"image": PNG}, {"strength": "2"}, "strength", "1"),
        ({"image": PNG}, {"strength": "nan"}, "strength", "finite"),
        ({"image": PNG}, {"background": "maybe"}, "background", "'opaque'"),
        ({"image": PNG}, {"loras": "[1"}, "loras", "JSON"),
    ],
)
def test_bad_forms_never_reach_the_queue(
    files: dict[str, bytes],
    data: dict[str, str],
    param: str,
    words: str,
    strict_api: httpx.Client,
    clean_redis: redis.Redis,
) -> None:
    fields = {"prompt": "x", **data}
    parts = [(name, (None, value.encode())) for name, value in fields.items()]
    answer = strict_api.post("/v1/images/edits", files=[*files.items(), *parts])
    error = answer.json()["error"]
    assert answer.status_code == 400, error
    assert error["param"] == param, error
    assert words in error["message"]
    assert not clean_redis.keys("rq:job:*")


def test_nothing_is_accepted_that_the_disk_has_no_room_for(
    make_api: Callable[..., ApiServer], painter: ScriptedWorker, blobs: BlobStore
) -> None:
    limit = 8 << 20
    with httpx.Client(base_url=make_api(disk_limit_gb=limit / 1024**3).url, timeout=30) as http:
        assert paint(http, size="1024x1024").status_code == 200
        ballast = blobs.put(bytes(limit - (3 << 20)))
        answer = paint(http, size="1024x1024")
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (507, "insufficient_storage")
        assert "DISK_LIMIT_GB" in error["message"]
        assert answer.headers["x-should-retry"] == "false"
        assert len(painter.runs) == 1
        assert paint(http, size="512x512").status_code == 200
        blobs.delete(ballast)
        assert paint(http, size="1024x1024").status_code == 200


def test_metadata_can_be_switched_off_for_all(
    make_api: Callable[..., ApiServer], painter: ScriptedWorker
) -> None:
    with httpx.Client(base_url=make_api(image_metadata=False).url, timeout=30) as http:
        assert told(painter, paint(http, metadata=True))["metadata"] is False


def test_a_job_in_the_background_shows_what_it_does(
    http: httpx.Client, painter: ScriptedWorker, blobs: BlobStore
) -> None:
    def step(run: Run) -> None:
        run.emit(EventType.PROGRESS, done=1, total=9)
        show(run, blobs, EventType.PREVIEW, 0, b"small", step=1)
        show(run, blobs, EventType.PARTIAL, 1, b"large", number=0)
        assert run.until_cancelled()
        run.cancelled()

    painter.play(step)
    accepted = paint(http, background=True)
    assert accepted.status_code == 202
    assert painter.claimed.acquire(timeout=10)
    job_id = accepted.json()["id"]
    assert painter.runs[0].payload["previews"] is True
    events = []
    with http.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line[6:]))
            if "number" in line:
                break
    progress, preview, partial = events[-3:]
    assert progress == {"done": 1, "total": 9}
    base = f"{str(http.base_url).rstrip('/')}/v1/jobs/{job_id}/artifacts"
    assert preview == {
        "artifact": 0,
        "content_type": "image/jpeg",
        "index": 0,
        "step": 1,
        "url": f"{base}/0",
    }
    assert partial["url"] == f"{base}/1"
    shown = http.get(preview["url"])
    assert (shown.headers["content-type"], shown.content) == ("image/jpeg", b"small")
    assert http.get(partial["url"]).content == b"large"
    assert "blob-" not in json.dumps(events)
    http.post(f"/v1/jobs/{job_id}/cancel")
    # The client looks at what there is of a picture that was not finished.
    assert http.get(f"/v1/jobs/{job_id}", params={"wait": 20}).json()["status"] == "cancelled"
    assert http.get(preview["url"]).content == b"small"


def test_a_job_that_is_asked_for_later_says_where_its_pictures_are(
    http: httpx.Client, painter: ScriptedWorker
) -> None:
    accepted = http.post(
        "/v1/images/edits", files={"image": PNG}, data={"prompt": "x", "background": "true", "n": "2"}
    )
    assert accepted.status_code == 202, accepted.text
    job = http.get(accepted.headers["location"], params={"wait": 20}).json()
    assert (job["status"], job["kind"], job["queue"]) == ("completed", "image", "image")
    check_shape("ImagesResponse", {**job["result"], "size": "1024x1024"})
    assert job["result"]["size"] == "64x48"
    assert [http.get(image["url"]).content for image in job["result"]["data"]] == [made(0), made(1)]
    assert "b64_json" not in job["result"]["data"][0]
    assert "blob-" not in json.dumps(job)


def test_when_a_picture_may_be_done(
    http: httpx.Client, painter: ScriptedWorker, clean_redis: redis.Redis, blobs: BlobStore
) -> None:
    def one_by_one(run: Run) -> None:
        for done in range(1, 5):
            run.emit(EventType.PROGRESS, done=done, total=4)
        finish(run, blobs)

    painter.play(one_by_one)
    unknown = paint(http, model="klein", background=True)
    job = http.get(unknown.headers["location"], params={"wait": 20}).json()
    assert (job["status"], job["eta"]) == ("completed", None)
    (model,) = clean_redis.hkeys(keys.PACES)
    assert model == b"klein"
    assert float(clean_redis.hget(keys.PACES, model) or 0) > 0
    # From here on as if a step of a million pixels took ten seconds.
    clean_redis.hset(keys.PACES, "klein", "10")
    painter.pause()
    megapixels = 1.024 * 1.024
    wanted: list[tuple[dict[str, Any], float]] = [
        ({"size": "1024x1024"}, 4 * megapixels),
        ({"size": "1024x1024", "steps": 1, "n": 2}, 2 * megapixels),
        ({"size": "512x512", "quality": "high"}, 6 * megapixels / 4),
    ]
    jobs = [paint(http, model="klein", background=True, **fields).json() for fields, _ in wanted]
    assert [job["position"] for job in jobs] == [1, 2, 3]
    assert [job["eta"] for job in jobs] == [
        round(10 * sum(work for _, work in wanted[: place + 1]), 1) for place in range(3)
    ]
    painter.play(lambda run: run.emit(EventType.PROGRESS, done=3, total=4))
    with http.stream("GET", jobs[0]["urls"]["events"]) as events:
        painter.resume()
        assert any(line.startswith('data: {"done":3') for line in events.iter_lines())
    # One step of it is left.
    assert http.get(jobs[0]["urls"]["get"]).json()["eta"] == round(10 * megapixels, 1)


def test_pictures_as_a_stream(sdk: openai.OpenAI, painter: ScriptedWorker, blobs: BlobStore) -> None:
    def again(run: Run) -> None:
        show(run, blobs, EventType.PARTIAL, 0, b"first", number=0)
        run.requeue()

    def whole(run: Run) -> None:
        show(run, blobs, EventType.PARTIAL, 0, b"first", number=0)
        show(run, blobs, EventType.PARTIAL, 1, b"second", number=1)
        finish(run, blobs)

    painter.play(again, whole)
    stream = sdk.images.generate(
        model="default", prompt="A fox", stream=True, partial_images=2, size="1024x1024", n=2
    )
    events = [event.to_dict(mode="json") for event in stream]
    assert [event["type"] for event in events] == [
        *["image_generation.partial_image"] * 2,
        *["image_generation.completed"] * 2,
    ]
    contents = [base64.b64decode(str(event["b64_json"])) for event in events]
    assert contents == [b"first", b"second", made(0), made(1)]
    assert [event["partial_image_index"] for event in events[:2]] == [0, 1]
    for event in events[:2]:
        check_shape("ImageGenPartialImageEvent", event)
    for event in events[2:]:
        check_shape("ImageGenCompletedEvent", event)
    assert events[-1]["usage"] == {
        **USAGE,
        "total_tokens": 45,
        "input_tokens_details": {"text_tokens": 5, "image_tokens": 0},
    }


def test_edits_as_a_stream_have_names_of_their_own(
    sdk: openai.OpenAI, painter: ScriptedWorker, blobs: BlobStore
) -> None:
    def partly(run: Run) -> None:
        show(run, blobs, EventType.PARTIAL, 0, b"first", number=0)
        finish(run, blobs)

    def break_down(run: Run) -> None:
        run.fail(EngineFailure("It broke."))

    painter.play(partly, break_down)
    stream = sdk.images.edit(image=PNG, prompt="x", stream=True, partial_images=1, size="1024x1024")
    partial, completed = (event.to_dict(mode="json") for event in stream)
    check_shape("ImageEditPartialImageEvent", partial)
    check_shape("ImageEditCompletedEvent", completed)
    with pytest.raises(openai.InternalServerError, match="It broke"):
        list(sdk.images.edit(image=PNG, prompt="x", stream=True))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wish", ["keep", "cancel"])
def test_a_picture_outlives_its_client_unless_it_shall_not(
    wish: str, stream: bool, http: httpx.Client, painter: ScriptedWorker, blobs: BlobStore
) -> None:
    def wait(run: Run) -> None:
        if stream:
            show(run, blobs, EventType.PARTIAL, 0, b"first", number=0)
        if wish == "cancel":
            assert run.until_cancelled()
            run.cancelled()

    painter.play(wait)
    fields = {"on_disconnect": wish, "stream": stream}
    job_id = _leave(http, painter, fields)
    if wish == "keep":
        (run,) = painter.runs
        assert http.get(f"/v1/jobs/{job_id}").json()["cancelling"] is False
        finish(run, blobs)
    job = http.get(f"/v1/jobs/{job_id}", params={"wait": 20}).json()
    assert job["status"] == ("completed" if wish == "keep" else "cancelled")


def _leave(http: httpx.Client, painter: ScriptedWorker, fields: dict[str, Any]) -> str:
    """Ask for a picture, and hang up as soon as a worker has begun it. Returns the job's id."""
    body = json.dumps({"prompt": "A fox", **fields}).encode()
    head = f"POST /v1/images/generations HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n"
    with socket.create_connection((http.base_url.host, http.base_url.port or 80)) as connection:
        connection.sendall(f"{head}content-type: application/json\r\n\r\n".encode() + body)
        assert painter.claimed.acquire(timeout=10)
    return painter.runs[-1].claim.job_id


def test_the_same_request_means_the_same_pictures(http: httpx.Client, painter: ScriptedWorker) -> None:
    def send(file: bytes, prompt: str = "x") -> httpx.Response:
        key = {"idempotency-key": "k"}
        return http.post("/v1/images/edits", files={"image": file}, data={"prompt": prompt}, headers=key)

    first = send(PNG)
    assert send(PNG).json() == first.json()
    assert len(painter.runs) == 1
    assert send(made(3)).status_code == 409
    assert send(PNG, "y").status_code == 409
