"""FLUX.1 as far as it goes without 12 billion parameters: mflux' own loop with small parts in it, and its door.

The library's sizes are fixed. Its schedule, latents, img2img and pictures are real here; transformer, text encoders
and autoencoder are stand-ins of the same shapes.
"""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mflux.callbacks.callback_registry import CallbackRegistry
from mflux.models.common.config import ModelConfig
from mflux.models.flux.variants.txt2img.flux import Flux1 as Library
from PIL import Image

from config.settings import Settings
from jobs.errors import MlxqError
from jobs.kinds import Category
from mlxq.catalog import Catalog
from tests.support.images import picture
from worker.engines import ENGINES
from worker.engines.image import flux1
from worker.engines.image.diffusion import ImageParams, decode
from worker.engines.image.engine import ImageEngine
from worker.guard import source_of

SIZE = (48, 32)
FILES = (
    *("transformer/a.safetensors", "text_encoder/a.safetensors", "text_encoder_2/a.safetensors"),
    *("vae/a.safetensors", "tokenizer/vocab.json", "tokenizer/merges.txt"),
    *("tokenizer_2/tokenizer.json", "tokenizer_2/tokenizer_config.json"),
)


class _Transformer(nn.Module):
    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.words, self.way = nn.Linear(8, 64), nn.Linear(64, 64)

    def __call__(
        self, t: int, config: Any, hidden_states: Any, prompt_embeds: Any, pooled_prompt_embeds: Any
    ) -> Any:
        words = self.words(prompt_embeds).mean(axis=1, keepdims=True) + pooled_prompt_embeds.mean()
        return mx.tanh(self.way(hidden_states) + words + config.scheduler.sigmas[t])


class _Autoencoder(nn.Module):
    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.into, self.out = nn.Conv2d(3, 16, 8, 8), nn.ConvTranspose2d(16, 3, 8, 8)

    def encode(self, image: Any) -> Any:
        return self.into(image.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)

    def decode(self, latents: Any) -> Any:
        return self.out(latents.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


class _Words:
    """A tokenizer: letters."""

    def tokenizer(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) % 32 for letter in text]}

    def tokenize(self, text: str) -> Any:
        return SimpleNamespace(input_ids=mx.array([self.tokenizer(text)["input_ids"]]))


def small_library() -> Any:
    mx.random.seed(3)
    model: Any = Library.__new__(Library)
    nn.Module.__init__(model)
    model.prompt_cache, model.model_config = {}, ModelConfig.schnell()
    model.callbacks, model.tiling_config = CallbackRegistry(), None
    model.bits, model.lora_paths, model.lora_scales = None, None, None
    model.tokenizers = {"t5": _Words(), "clip": _Words()}
    model.t5_text_encoder, model.clip_text_encoder = nn.Embedding(32, 8), nn.Embedding(32, 4)
    model.transformer, model.vae = _Transformer(), _Autoencoder()
    return model


@pytest.fixture(scope="module")
def library() -> Any:
    return small_library()


@pytest.fixture
def painter(library: Any) -> flux1.Flux1:
    made = flux1.Flux1.__new__(flux1.Flux1)
    made.use(library)
    return made


def painted(painter: flux1.Flux1, params: ImageParams) -> Any:
    state = painter.start(params, painter.encode_prompt(params), 7)
    while state.remaining:
        state.step()
    decoding = decode(painter, state, params)
    while True:
        try:
            next(decoding)
        except StopIteration as ended:
            return ended.value


@pytest.mark.parametrize("steps", [1, 4])
def test_our_steps_are_the_librarys(library: Any, painter: flux1.Flux1, steps: int) -> None:
    direct = library.generate_image(7, "a red circle", steps, SIZE[1], SIZE[0])
    params = ImageParams("a red circle", *SIZE, steps, 0.0)
    assert np.array_equal(painted(painter, params), np.asarray(direct.image))
    assert painter.encode_prompt(params).tokens == len("a red circle")


@pytest.mark.parametrize("strength", [0.1, 0.6, 0.9, 1.0])
def test_our_img2img_is_the_librarys(
    library: Any, painter: flux1.Flux1, strength: float, tmp_path: Path
) -> None:
    source = picture(3, *SIZE)
    source.save(tmp_path / "source.png")
    direct = library.generate_image(
        7, "fox", 4, SIZE[1], SIZE[0], image_path=tmp_path / "source.png", image_strength=1 - strength
    )
    if strength == 1:
        direct = library.generate_image(7, "fox", 4, SIZE[1], SIZE[0])
    params = ImageParams("fox", *SIZE, 4, 0.0, sources=(source,), strength=strength)
    assert np.array_equal(painted(painter, params), np.asarray(direct.image))


def test_a_mask_keeps_what_it_covers(painter: flux1.Flux1) -> None:
    editable = np.zeros((SIZE[1], SIZE[0]), bool)
    editable[:, 16:] = True
    source = picture(3, *SIZE)
    params = ImageParams("fox", *SIZE, 4, 0.0, sources=(source,), strength=1.0, editable=editable)
    changed, original = painted(painter, params), np.asarray(source)
    assert np.array_equal(changed[:, :16], original[:, :16])
    assert not np.array_equal(changed[:, 16:], original[:, 16:])
    other = ImageParams(
        "fox", *SIZE, 4, 0.0, sources=(Image.new("RGB", SIZE),), strength=1.0, editable=editable
    )
    assert painted(painter, other).shape == changed.shape


def folder(root: Path, **transformer: Any) -> Path:
    path = root / "FLUX.1-schnell"
    for name in FILES:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(b"{}")
    (path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    (path / "transformer" / "config.json").write_text(json.dumps(transformer))
    return path


def load(root: Path, **settings: Any) -> Any:
    made = Settings.model_validate(
        {"model_roots": (root,), "data_dir": root / "data", "image_model": "FLUX.1-schnell", **settings}
    )
    ref = Catalog(made).resolve("FLUX.1-schnell", Category.IMAGE)
    return ENGINES["image"](ref, made)  # type: ignore[index]


@pytest.mark.parametrize(("takes_guidance", "name", "steps"), [(False, "schnell", 4), (True, "dev", 25)])
def test_the_library_gets_the_folder_the_bits_and_the_variant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, takes_guidance: bool, name: str, steps: int
) -> None:
    path, asked = folder(tmp_path, guidance_embeds=takes_guidance), []

    def door(**arguments: Any) -> Any:
        asked.append(arguments)
        return small_library()

    monkeypatch.setattr(flux1, "Model", door)
    engine = load(tmp_path, image_quantize=8)
    assert isinstance(engine, ImageEngine)
    (arguments,) = asked
    assert (arguments["quantize"], source_of(Path(arguments["model_path"]))) == (8, path.resolve())
    assert arguments["model_config"] is getattr(ModelConfig, name)()
    assert engine._model.steps == steps
    assert engine.memory_bytes > 0


def test_a_folder_that_lacks_files_says_which(tmp_path: Path) -> None:
    path = folder(tmp_path)
    (path / "text_encoder_2" / "a.safetensors").unlink()
    (path / "tokenizer" / "merges.txt").unlink()
    with pytest.raises(MlxqError) as raised:
        load(tmp_path)
    assert "text_encoder_2/*.safetensors, tokenizer/merges.txt" in raised.value.message
