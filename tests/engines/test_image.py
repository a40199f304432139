"""The image engine by itself: what the libraries make of the same seed, pixel for pixel, and what is around it."""

import io
import json
import shutil
from copy import copy
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mflux.models.common.config import ModelConfig
from mflux.models.flux2 import flux2_initializer
from mflux.models.flux2.model.flux2_text_encoder.qwen3_text_encoder import Qwen3TextEncoder
from mflux.models.flux2.model.flux2_transformer.transformer import Flux2Transformer
from mflux.models.flux2.variants import Flux2Klein, Flux2KleinEdit
from mlx_vlm.models.z_image.pipeline import ZImagePipeline
from PIL import Image

from config.settings import Settings
from jobs.blobs import LocalBlobs
from jobs.errors import InvalidRequest, MlxqError
from jobs.kinds import Category
from mlxq.catalog import Catalog
from tests.support.events import plain
from tests.support.image_checkpoints import random_flux2, random_z_image
from tests.support.images import encoded, picture
from tests.support.payloads import typed
from worker.engines import ENGINES
from worker.engines.base import Done, Failed, Output, Preview, Progress
from worker.engines.image import flux2
from worker.engines.image.engine import ImageEngine

PROMPT, SEED, WIDTH, HEIGHT = "a red circle", 7, 48, 32
SIZE = (WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    random_z_image(root / "zimage")
    random_flux2(root / "klein")
    return root


class Studio:
    """An engine and the blobs that it reads and writes."""

    def __init__(self, root: Path, data: Path, name: str, **settings: Any) -> None:
        self.settings = Settings.model_validate(
            {"model_roots": (root, root.parent), "data_dir": data, "image_model": name, **settings}
        )
        ref = Catalog(self.settings).resolve(name, Category.IMAGE)
        assert ref.category == "image"
        engine = ENGINES["image"](ref, self.settings)  # type: ignore[index]
        assert isinstance(engine, ImageEngine)
        self.engine = engine
        self.blobs = LocalBlobs(self.settings.blob_folder)

    def begin(self, **changes: Any) -> None:
        payload = {
            "prompt": PROMPT, "n": 1, "width": WIDTH, "height": HEIGHT, "format": "png", "compression": None,
            "seed": SEED, "mode": "generate", "metadata": True,
        }  # fmt: skip
        self.engine.add("task", typed(payload | changes), 0)

    def outputs(self, **changes: Any) -> list[Output]:
        self.begin(**changes)
        outputs: list[Output] = []
        while not (outputs and isinstance(outputs[-1], Done | Failed)):
            outputs += self.engine.step()
            self.engine.tidy()
        return outputs

    def result(self, **changes: Any) -> dict[str, Any]:
        last = self.outputs(**changes)[-1]
        assert isinstance(last, Done), last
        result: dict[str, Any] = plain(last.result)
        return result

    def files(self, **changes: Any) -> list[bytes]:
        return [self.blobs.read(image["blob"]) for image in self.result(**changes)["images"]]

    def pixels(self, **changes: Any) -> Any:
        (file,) = self.files(**changes)
        return pixels(file)

    def put(self, image: Image.Image) -> str:
        return self.blobs.put(encoded(image))


def pixels(file: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(file)))


@pytest.fixture(scope="module")
def studio(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(root, tmp_path_factory.mktemp("data"), "zimage")


@pytest.fixture(scope="module")
def klein(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(root, tmp_path_factory.mktemp("data"), "klein")


@pytest.fixture(scope="module")
def source() -> Image.Image:
    return picture(3, *SIZE)


# -- the libraries ---------------------------------------------------------------------------------------------------


def test_z_image_paints_what_mlx_vlm_paints(
    root: Path, studio: Studio, source: Image.Image, tmp_path: Path
) -> None:
    library: Any = ZImagePipeline(root / "zimage", evict_text_encoder=False)
    direct = library.generate_array(PROMPT, seed=SEED, steps=9, width=WIDTH, height=HEIGHT)
    assert np.array_equal(studio.pixels(), np.array(direct))
    source.save(tmp_path / "source.png")
    direct = library.edit_array(PROMPT, [tmp_path / "source.png"], seed=SEED, steps=8, strength=0.6)
    assert np.array_equal(studio.pixels(images=[studio.put(source)], strength=0.6), np.array(direct))


@pytest.fixture(scope="module")
def sized(root: Path) -> ModelConfig:
    """What mflux needs to be told of a model of another size; the painter reads it from the model's files."""
    config = copy(ModelConfig.flux2_klein_4b())
    folder = root / "klein"
    config.transformer_overrides = flux2._arguments(Flux2Transformer, folder / "transformer")
    config.text_encoder_overrides = flux2._arguments(Qwen3TextEncoder, folder / "text_encoder")
    return config


def test_flux_2_paints_what_mflux_paints(
    root: Path,
    klein: Studio,
    sized: ModelConfig,
    source: Image.Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = root / "klein"
    monkeypatch.setattr(flux2_initializer, "Flux2VAE", lambda: flux2._vae(folder))
    library: Any = Flux2Klein(model_path=str(folder), model_config=sized)
    ours, file = klein.put(source), tmp_path / "source.png"
    source.save(file)
    size = {"num_inference_steps": 2, "height": HEIGHT, "width": WIDTH}
    direct = library.generate_image(SEED, PROMPT, **size)
    assert np.array_equal(klein.pixels(steps=2), np.asarray(direct.image))
    direct = library.generate_image(SEED, PROMPT, guidance=2.0, **size)
    assert np.array_equal(klein.pixels(steps=2, guidance=2.0, negative_prompt=" "), np.asarray(direct.image))
    direct = library.generate_image(SEED, PROMPT, image_path=file, image_strength=0.4, **size)
    assert np.array_equal(klein.pixels(steps=2, images=[ours], strength=0.6), np.asarray(direct.image))
    other = picture(4, 32, 48)
    other.save(tmp_path / "other.png")
    edit: Any = Flux2KleinEdit(model_path=str(folder), model_config=sized)
    direct = edit.generate_image(SEED, PROMPT, image_paths=[file, tmp_path / "other.png"], **size)
    shown = klein.pixels(steps=2, images=[ours, klein.put(other)], mode="edit")
    assert np.array_equal(shown, np.asarray(direct.image))


# -- what a request may say ------------------------------------------------------------------------------------------


def test_pictures_have_their_seeds_and_the_same_bytes_again(studio: Studio) -> None:
    result = studio.result(n=3)
    assert [image["seed"] for image in result["images"]] == [7, 8, 9]
    assert [image["artifact"] for image in result["images"]] == [0, 1, 2]
    files = [studio.blobs.read(image["blob"]) for image in result["images"]]
    assert len(set(files)) == 3
    assert [studio.files(seed=seed)[0] for seed in (7, 8, 9)] == files
    assert studio.result(n=2, seed=2**32 - 1)["images"][1]["seed"] == 0
    usage = result["usage"]
    assert usage["output_tokens"] == 3 * 6
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_references_are_read_in_their_own_size(klein: Studio) -> None:
    references = [klein.put(picture(1, 96, 64)), klein.put(picture(2, 32, 48))]
    usage = klein.result(steps=1, images=references, mode="edit")["usage"]
    assert usage["input_tokens_details"]["image_tokens"] == 6 * 4 + 2 * 3


def test_the_steps_are_told_as_the_library_counts_them(studio: Studio, klein: Studio) -> None:
    def told(outputs: list[Output]) -> list[tuple[int, int]]:
        return [(each.done, each.total) for each in outputs if isinstance(each, Progress)]

    assert told(studio.outputs()) == [(done, 9) for done in range(1, 10)]
    assert told(klein.outputs(n=2, steps=3)) == [(done, 6) for done in range(1, 7)]
    assert told(studio.outputs(images=[studio.put(picture(1, *SIZE))], strength=0.5)) == [
        (done, 5) for done in range(1, 6)
    ]
    source = [studio.put(picture(1, *SIZE))]
    assert [studio.result(images=source, strength=each)["steps"] for each in (0.5, 1)] == [5, 9]


def test_previews_come_nearer_to_the_picture_and_partial_ones_are_as_large(studio: Studio) -> None:
    outputs = studio.outputs(previews=True, partial_images=2, width=272, height=16)
    shown = [each for each in outputs if isinstance(each, Preview)]
    assert [each.artifact for each in shown] == list(range(1, 11))
    small = [each for each in shown if not each.partial]
    assert [each.data for each in small] == [{"index": 0, "step": step} for step in range(1, 9)]
    partial = [each for each in shown if each.partial]
    assert [each.data for each in partial] == [{"index": 0, "number": 0}, {"index": 0, "number": 1}]
    assert isinstance(outputs[-1], Done)
    final = pixels(studio.blobs.read(plain(outputs[-1].result)["images"][0]["blob"])).astype(float)
    ways = [np.abs(pixels(studio.blobs.read(each.blob)) - final).mean() for each in partial]
    assert ways[0] > ways[1] > 0
    for each in small:
        image = Image.open(io.BytesIO(studio.blobs.read(each.blob)))
        assert (image.format, image.size, each.content_type) == ("JPEG", (136, 8), "image/jpeg")
    assert len({studio.blobs.read(each.blob) for each in small}) == 8


def test_watching_changes_nothing(studio: Studio) -> None:
    assert studio.files(previews=True, partial_images=3) == studio.files()


@pytest.mark.parametrize(("width", "height"), [(16, 16), (16, 272)])
def test_previews_of_any_shape(studio: Studio, width: int, height: int) -> None:
    outputs = studio.outputs(previews=True, steps=2, width=width, height=height)
    (shown,) = [each for each in outputs if isinstance(each, Preview)]
    assert max(Image.open(io.BytesIO(studio.blobs.read(shown.blob))).size) <= 256


def test_what_is_known_of_a_picture_is_in_its_file(studio: Studio) -> None:
    prompt = "ein rötlicher Kreis 🟥"
    facts = {"prompt": prompt, "model": "zimage", "seed": "7", "steps": "9", "size": "48x32"}
    (png,) = studio.files(prompt=prompt)
    text: Any = Image.open(io.BytesIO(png))
    assert facts.items() <= text.text.items()
    for kind in ("jpeg", "webp"):
        (file,) = studio.files(prompt=prompt, format=kind)
        image = Image.open(io.BytesIO(file))
        assert (image.format, image.size) == (kind.upper(), SIZE)
        comment = image.getexif().get_ifd(0x8769)[0x9286]
        told = json.loads(comment.removeprefix(b"UNICODE\0").decode("utf-16-be"))
        assert facts.items() <= {name: str(value) for name, value in told.items()}.items()
        (bare,) = studio.files(prompt=prompt, format=kind, metadata=False)
        assert not Image.open(io.BytesIO(bare)).getexif()
        (poor,) = studio.files(format=kind, compression=5)
        assert len(poor) < len(bare) / 2
    (bare,) = studio.files(prompt=prompt, metadata=False)
    without: Any = Image.open(io.BytesIO(bare))
    assert not without.text
    assert np.array_equal(pixels(bare), pixels(png))


@pytest.mark.parametrize(
    ("painter", "changes", "told"),
    [
        ("studio", {}, {"guidance": "0.0"}),
        ("studio", {"guidance": 0.5}, {"guidance": "0.0"}),
        ("klein", {"steps": 1}, {"guidance": "1.0"}),
        ("klein", {"steps": 1, "guidance": 2.0}, {"guidance": "2.0", "negative_prompt": "blue"}),
    ],
)
def test_a_file_tells_only_what_made_the_picture(
    painter: str, changes: dict[str, Any], told: dict[str, str], request: pytest.FixtureRequest
) -> None:
    place: Studio = request.getfixturevalue(painter)
    (file,) = place.files(negative_prompt="blue", **changes)
    image: Any = Image.open(io.BytesIO(file))
    assert {name: image.text.get(name) for name in ("guidance", "negative_prompt")} == {
        "negative_prompt": None,
        **told,
    }
    (without,) = place.files(**{"steps": 9 if painter == "studio" else 1} | changes)
    same = np.array_equal(pixels(file), pixels(without))
    assert same is ("negative_prompt" not in told)


def test_strength_says_how_much_of_the_source_is_left(studio: Studio, source: Image.Image) -> None:
    blob = studio.put(source)
    original = np.asarray(source)
    assert np.array_equal(studio.pixels(images=[blob], strength=0.0), original)
    anew = studio.pixels(images=[blob], strength=1.0)
    other = studio.pixels(images=[studio.put(picture(5, *SIZE))], strength=1.0)
    assert np.array_equal(anew, other), "of the source something is left"
    assert not np.array_equal(studio.pixels(images=[blob], strength=0.5), anew)
    assert studio.result(images=[studio.put(picture(1, 100, 33))])["images"][0]["width"] == WIDTH


@pytest.mark.parametrize("size", [(1, 1), (300, 2)])
def test_a_reference_of_any_size_is_looked_at(klein: Studio, size: tuple[int, int]) -> None:
    reference = klein.put(picture(3, *size))
    assert klein.pixels(steps=1, images=[reference], mode="edit").shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("name", ["studio", "klein"])
def test_a_mask_keeps_what_it_covers(name: str, source: Image.Image, request: pytest.FixtureRequest) -> None:
    place: Studio = request.getfixturevalue(name)
    mask = Image.new("RGBA", SIZE, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (16, 0, 48, 32))
    changed = place.pixels(images=[place.put(source)], mask=place.put(mask), mode="edit")
    original = np.asarray(source)
    assert np.array_equal(changed[:, :16], original[:, :16])
    assert not np.array_equal(changed[:, 16:], original[:, 16:])
    # What is kept is seen while the rest is painted: with another source the rest is another too.
    other = place.pixels(images=[place.put(picture(5, *SIZE))], mask=place.put(mask), mode="edit")
    assert not np.array_equal(changed[:, 16:], other[:, 16:])


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"width": 50}, "size"),
        ({"width": 0}, "size"),
        ({"height": 4096}, "size"),
        ({"guidance": 5.0}, "guidance"),
        ({"images": 2}, "image"),
    ],
)
def test_what_the_model_can_not_do_is_said_before_it_begins(
    studio: Studio, source: Image.Image, changes: dict[str, Any], param: str
) -> None:
    if "images" in changes:
        changes = {"images": [studio.put(source)] * changes["images"]}
    with pytest.raises(InvalidRequest) as raised:
        studio.begin(**changes)
    assert raised.value.param == param
    assert studio.engine.step() == []


def test_a_task_that_is_removed_computes_nothing_more(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.begin()
    transformer: Any = studio.engine._model._pipeline.transformer  # type: ignore[attr-defined]
    calls: list[int] = []
    real = type(transformer).__call__

    def counted(*arguments: Any) -> Any:
        calls.append(1)
        return real(*arguments)

    monkeypatch.setattr(type(transformer), "__call__", counted)
    told: list[Output] = []
    while not told:
        told = studio.engine.step()
    assert len(calls) == 1
    studio.engine.remove("somebody else's")
    assert studio.engine.step()
    studio.engine.remove("task")
    assert studio.engine.step() == []
    assert len(calls) == 2


def test_out_of_memory_is_for_the_lane_other_failures_are_the_tasks(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(error: Exception) -> None:
        def begin(*_: Any) -> Any:
            raise error

        monkeypatch.setattr(type(studio.engine._model), "start", begin)

    fail(RuntimeError("secret"))
    last = studio.outputs()[-1]
    assert isinstance(last, Failed)
    assert "secret" not in last.error.message
    fail(MemoryError())
    with pytest.raises(MemoryError):
        studio.outputs()
    assert studio.engine.step() == []


# -- adapters and bits -----------------------------------------------------------------------------------------------


def adapter(file: Path, layer: str, width: int, *, seed: int = 1) -> str:
    """A LoRA of rank 2 for one layer, as PEFT and diffusers write it."""
    down, up = (mx.random.normal((2, width), key=mx.random.key(seed + k)) for k in range(2))
    name = f"transformer.{layer}"
    mx.save_safetensors(
        str(file), {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": mx.contiguous(up.T)}
    )
    return str(file)


@pytest.mark.parametrize(
    ("name", "layer"),
    [("studio", "layers.0.attention.to_q"), ("klein", "transformer_blocks.0.attn.to_q")],
)
def test_an_adapter_is_worn_for_its_request_only(
    name: str, layer: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place: Studio = request.getfixturevalue(name)
    file = adapter(tmp_path / "style.safetensors", layer, 32)
    plain = place.files()
    styled = place.files(loras=[{"name": file, "scale": 1.0}])
    assert styled != plain
    assert place.files(loras=[{"name": file, "scale": 0.3}]) not in (plain, styled)
    assert place.files() == plain


def test_an_adapter_of_another_model_is_refused_and_leaves_no_trace(studio: Studio, tmp_path: Path) -> None:
    plain = studio.files()
    strange = adapter(tmp_path / "strange.safetensors", "some.other.layer", 32)
    wide = adapter(tmp_path / "wide.safetensors", "layers.0.attention.to_q", 64)
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    for file in (strange, wide, str(tmp_path / "broken.safetensors"), str(tmp_path / "gone.safetensors")):
        last = studio.outputs(loras=[{"name": file, "scale": 1.0}])[-1]
        assert isinstance(last, Failed)
        assert (last.error.status, last.error.param) == (400, "loras")
        assert str(tmp_path) not in last.error.message
    assert studio.files() == plain


def test_fewer_bits_are_a_smaller_model_and_nearly_the_same_picture(tmp_path: Path) -> None:
    random_z_image(tmp_path / "wide", width=128, text_width=64)
    full = Studio(tmp_path, tmp_path / "data", "wide")
    small = Studio(tmp_path, tmp_path / "data", "wide", image_quantize=8)
    assert small.engine.memory_bytes < full.engine.memory_bytes
    one, other = full.pixels().astype(float), small.pixels().astype(float)
    assert not np.array_equal(one, other)
    assert np.abs(one - other).mean() < 20


# -- folders ---------------------------------------------------------------------------------------------------------


def refusal(root: Path, name: str) -> MlxqError:
    with pytest.raises(MlxqError) as raised:
        Studio(root, root / "data", name)
    return raised.value


def test_a_folder_that_lacks_files_says_which(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "zimage", tmp_path / "part")
    (tmp_path / "part" / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    (tmp_path / "part" / "tokenizer" / "tokenizer.json").unlink()
    (tmp_path / "part" / "transformer" / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"x": "model-00002.safetensors"}})
    )
    error = refusal(tmp_path, "part")
    assert error.code == "model_incomplete"
    for name in ("vae/*.safetensors", "tokenizer/tokenizer.json", "transformer/model-00002.safetensors"):
        assert name in error.message
    assert str(tmp_path) not in error.message


def test_code_of_a_tokenizer_is_not_run(root: Path, tmp_path: Path) -> None:
    """Nor is it missed: the library has a class of its own."""
    shutil.copytree(root / "zimage", tmp_path / "code")
    file = tmp_path / "code" / "tokenizer" / "tokenizer_config.json"
    config = json.loads(file.read_text()) | {"auto_map": {"AutoTokenizer": ["mine.Mine", None]}}
    file.write_text(json.dumps(config))
    (file.parent / "mine.py").write_text("raise SystemExit('ran')")
    studio = Studio(tmp_path, tmp_path / "data", "code")
    assert isinstance(studio.outputs()[-1], Done)
