"""FLUX.1 by mflux, one step at a time. Its sizes are the library's own."""

from pathlib import Path
from typing import Any

import mlx.core as mx
from mflux.models.common.config.config import Config
from mflux.models.common.config.model_config import ModelConfig
from mflux.models.common.latent_creator.latent_creator import LatentCreator
from mflux.models.common.vae.vae_util import VAEUtil
from mflux.models.flux.latent_creator.flux_latent_creator import FluxLatentCreator
from mflux.models.flux.model.flux_text_encoder.prompt_encoder import PromptEncoder
from mflux.models.flux.variants.txt2img.flux import Flux1 as Model
from mflux.models.flux.weights.flux_lora_mapping import FluxLoRAMapping

from mlxq.catalog.foreign_json import read_object
from worker.engines.image.loras import Wardrobe
from worker.engines.image.painter import (
    Canvas,
    Pixels,
    Stage,
    Wish,
    Words,
    blocks,
    first_step,
    memory_of,
    to_pixels,
)


class Flux1:
    """A FLUX.1-schnell, or -dev: the one that takes guidance."""

    sees = False
    decoding_steps = 0
    most_guidance: float | None = None
    negatives = False

    def __init__(self, path: Path, quantize: int) -> None:
        config = read_object(path / "transformer" / "config.json")
        dev = bool(config.get("guidance_embeds"))
        model: Any = Model(
            quantize=quantize or None,
            model_path=str(path),
            model_config=ModelConfig.dev() if dev else ModelConfig.schnell(),
        )
        self.steps, self.guidance = (25, 3.5) if dev else (4, 0.0)
        self.guided = dev
        self.use(model)

    def use(self, model: Any) -> None:
        """Paint with this model of the library."""
        self._model = model
        self.memory_bytes = memory_of(model)
        self._wardrobe = Wardrobe(model.transformer, FluxLoRAMapping.get_mapping())

    def wear(self, loras: list[tuple[str, float]]) -> None:
        self._wardrobe.wear(loras)

    def read(self, wish: Wish) -> Words:
        model = self._model
        embeds, pooled = PromptEncoder.encode_prompt(
            prompt=wish.prompt or " ",
            # The library's own cache would keep every prompt.
            prompt_cache={},
            t5_tokenizer=model.tokenizers["t5"],
            clip_tokenizer=model.tokenizers["clip"],
            t5_text_encoder=model.t5_text_encoder,
            clip_text_encoder=model.clip_text_encoder,
        )
        mx.eval(embeds, pooled)
        tokens = model.tokenizers["t5"].tokenizer(wish.prompt)["input_ids"]
        return Words((embeds, pooled), len(tokens))

    def begin(self, wish: Wish, words: Words, seed: int) -> Canvas:
        model, (embeds, pooled) = self._model, words.meaning
        config = Config(
            model_config=model.model_config,
            num_inference_steps=wish.steps,
            height=wish.height,
            width=wish.width,
            guidance=wish.guidance,
            scheduler="linear",
        )
        scheduler: Any = config.scheduler

        def velocity(latents: mx.array, index: int) -> mx.array:
            way: mx.array = model.transformer(
                t=index,
                config=config,
                hidden_states=scheduler.scale_model_input(latents, index),
                prompt_embeds=embeds,
                pooled_prompt_embeds=pooled,
            )
            return way

        def advance(velocity: mx.array, index: int, latents: mx.array) -> mx.array:
            there: mx.array = scheduler.step(noise=velocity, timestep=index, latents=latents)
            return there

        noise = FluxLatentCreator.create_noise(seed, wish.height, wish.width)
        if wish.strength is None:
            return Canvas(noise, scheduler.sigmas, 0, velocity, advance)
        encoded = LatentCreator.encode_image(
            vae=model.vae, image_path=wish.source, height=wish.height, width=wish.width
        )
        source = FluxLatentCreator.pack_latents(encoded, wish.height, wish.width)
        mx.eval(source)
        # The library keeps a bit of the source whenever it has one.
        index = max(first_step(wish.steps, wish.strength), int(0 < wish.strength < 1 and wish.steps > 1))
        latents = LatentCreator.add_noise_by_interpolation(
            clean=source, noise=noise, sigma=scheduler.sigmas[index]
        )
        frozen = None
        if wish.change is not None:
            frozen = mx.array(~blocks(wish.change, 16)).reshape(1, -1, 1)
        return Canvas(latents, scheduler.sigmas, index, velocity, advance, source, noise, frozen)

    def unpack(self, canvas: Canvas, latents: mx.array, wish: Wish) -> mx.array:
        unpacked: mx.array = FluxLatentCreator.unpack_latents(latents, wish.height, wish.width)
        return unpacked

    def stages(self) -> list[Stage]:
        return [lambda latents: VAEUtil.decode(vae=self._model.vae, latent=latents)]

    def pixels(self, decoded: mx.array) -> Pixels:
        return to_pixels(decoded)
