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
from worker.engines.image.diffusion import (
    Conditioning,
    DenoiseState,
    ImageParams,
    Pixels,
    Stage,
    to_pixels,
)
from worker.engines.image.flux import start_state
from worker.engines.image.loras import LoraSet
from worker.engines.weights import load_weights


class Flux1:
    """A FLUX.1-schnell, or -dev: the one that takes guidance."""

    takes_references = False
    decoding_steps = 0
    max_guidance: float | None = None
    takes_negative_prompt = False

    def __init__(self, path: Path, quantize: int) -> None:
        config = read_object(path / "transformer" / "config.json")
        dev = bool(config.get("guidance_embeds"))
        model: Any = Model(
            quantize=quantize or None,
            model_path=str(path),
            model_config=ModelConfig.dev() if dev else ModelConfig.schnell(),
        )
        self.steps, self.guidance = (25, 3.5) if dev else (4, 0.0)
        self.takes_guidance = dev
        self.use(model)

    def use(self, model: Any) -> None:
        """Paint with this model of the library."""
        self._model = model
        self.memory_bytes = load_weights(model)
        self._loras = LoraSet(model.transformer, FluxLoRAMapping.get_mapping())

    def apply_loras(self, loras: list[tuple[str, float]]) -> None:
        self._loras.apply(loras)

    def encode_prompt(self, params: ImageParams) -> Conditioning:
        model = self._model
        embeds, pooled = PromptEncoder.encode_prompt(
            prompt=params.prompt or " ",
            # The library's own cache would keep every prompt.
            prompt_cache={},
            t5_tokenizer=model.tokenizers["t5"],
            clip_tokenizer=model.tokenizers["clip"],
            t5_text_encoder=model.t5_text_encoder,
            clip_text_encoder=model.clip_text_encoder,
        )
        mx.eval(embeds, pooled)
        tokens = model.tokenizers["t5"].tokenizer(params.prompt)["input_ids"]
        return Conditioning((embeds, pooled), len(tokens))

    def start(self, params: ImageParams, conditioning: Conditioning, seed: int) -> DenoiseState:
        model, (embeds, pooled) = self._model, conditioning.embeddings
        config = Config(
            model_config=model.model_config,
            num_inference_steps=params.steps,
            height=params.height,
            width=params.width,
            guidance=params.guidance,
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

        noise = FluxLatentCreator.create_noise(seed, params.height, params.width)
        return start_state(
            params, noise, lambda: self._encode_source(params), scheduler.sigmas, velocity, advance
        )

    def _encode_source(self, params: ImageParams) -> mx.array:
        encoded = LatentCreator.encode_image(
            vae=self._model.vae, image_path=params.source, height=params.height, width=params.width
        )
        latents: mx.array = FluxLatentCreator.pack_latents(encoded, params.height, params.width)
        mx.eval(latents)
        return latents

    def unpack(self, state: DenoiseState, latents: mx.array, params: ImageParams) -> mx.array:
        unpacked: mx.array = FluxLatentCreator.unpack_latents(latents, params.height, params.width)
        return unpacked

    def stages(self) -> list[Stage]:
        return [lambda latents: VAEUtil.decode(vae=self._model.vae, latent=latents)]

    def pixels(self, decoded: mx.array) -> Pixels:
        return to_pixels(decoded)


MODEL = Flux1
