"""Z-Image by mlx-vlm, one step at a time. Its sizes come from the files of the model.

As in the library N steps are N - 1 passes through the model and the decoding.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mflux.models.z_image.weights.z_image_lora_mapping import ZImageLoRAMapping
from mlx_vlm.models.mage_flow.scheduler import FlowMatchEulerDiscreteScheduler
from mlx_vlm.models.z_image.pipeline import ZImagePipeline

from worker.engines.image.loras import Wardrobe
from worker.engines.image.painter import Canvas, Pixels, Stage, Wish, Words, blocks, first_step, memory_of

#: What mlx-vlm calls the parts that mflux names as their files do.
_RENAMED = {"all_x_embedder.2-1": "x_embedder", "all_final_layer.2-1": "final_layer"}
_GROUP = 64


class ZImage:
    """A Z-Image-Turbo, or the model it was made from."""

    sees = False
    decoding_steps = 1

    def __init__(self, path: Path, quantize: int) -> None:
        # The encoder stays: the library would read it from disk again for each picture.
        self._pipeline: Any = ZImagePipeline(path, evict_text_encoder=False)
        self._pipeline._ensure_components()
        config = self._pipeline.config
        self.steps = int(config.default_steps)
        self.guidance = float(config.default_guidance)
        self.most_guidance = 1.0 if config.variant == "turbo" else None
        self.guided = self.negatives = config.variant != "turbo"
        parts: tuple[Any, ...] = (
            self._pipeline.transformer,
            self._pipeline.text_encoder,
            self._pipeline.vae,
        )
        if quantize:
            for part in parts[:2]:
                nn.quantize(part, _GROUP, quantize, class_predicate=_can_be_quantised)
        self.memory_bytes = memory_of(*parts)
        self._wardrobe = Wardrobe(self._pipeline.transformer, _targets())

    def wear(self, loras: list[tuple[str, float]]) -> None:
        self._wardrobe.wear(loras)

    def read(self, wish: Wish) -> Words:
        positive = self._pipeline._encode_prompt(wish.prompt)
        negative = self._pipeline._encode_prompt(wish.negative_prompt) if wish.guidance > 1 else None
        return Words((positive, negative), int(self._pipeline.count_prompt_tokens(wish.prompt)))

    def begin(self, wish: Wish, words: Words, seed: int) -> Canvas:
        transformer: Any = self._pipeline.transformer
        positive, negative = words.meaning
        scheduler = FlowMatchEulerDiscreteScheduler(
            num_inference_steps=max(1, wish.steps - 1), shift=self._pipeline.config.scheduler_shift
        )
        sigmas = scheduler.sigmas

        def velocity(latents: mx.array, index: int) -> mx.array:
            t = (1.0 - sigmas[index]).reshape(1)
            prediction = transformer(latents, t, positive)
            if negative is not None:
                prediction = prediction + wish.guidance * (prediction - transformer(latents, t, negative))
            way: mx.array = -prediction
            return way

        def advance(velocity: mx.array, index: int, latents: mx.array) -> mx.array:
            there: mx.array = scheduler.step(velocity=velocity, step_index=index, latents=latents)
            return there

        shape = (1, self._pipeline.config.vae.latent_channels, 1, wish.height // 8, wish.width // 8)
        noise = mx.random.normal(shape, key=mx.random.key(seed), dtype=mx.float32)
        if wish.strength is None:
            return Canvas(noise, sigmas, 0, velocity, advance)
        source = self._encode(wish)
        index = first_step(int(sigmas.shape[0]) - 1, wish.strength)
        sigma = sigmas[index].astype(source.dtype)
        latents = (1.0 - sigma) * source + sigma * noise
        frozen = None
        if wish.change is not None:
            frozen = mx.array(~blocks(wish.change, 8))[None, None, None]
        return Canvas(latents, sigmas, index, velocity, advance, source, noise, frozen)

    def unpack(self, canvas: Canvas, latents: mx.array, wish: Wish) -> mx.array:
        return latents.squeeze(2)

    def stages(self) -> list[Stage]:
        """The library's decoder, part by part: as a whole it takes as long as several steps."""
        config, decoder = self._pipeline.config.vae, self._pipeline.vae.decoder

        def enter(latents: mx.array) -> mx.array:
            inner: mx.array = decoder.conv_in((latents / config.scaling_factor) + config.shift_factor)
            return inner

        def leave(inner: mx.array) -> mx.array:
            decoded: mx.array = decoder.conv_out(nn.silu(decoder.conv_norm_out(inner)))
            return decoded

        ups = [part for block in decoder.up_blocks for part in (*block.resnets, *block.upsamplers)]
        return [enter, decoder.mid_block, *ups, leave]

    def pixels(self, decoded: mx.array) -> Pixels:
        shown = mx.round(mx.clip(decoded / 2.0 + 0.5, 0.0, 1.0) * 255.0).astype(mx.uint8)
        pixels: Pixels = np.array(shown.transpose(0, 2, 3, 1))[0]
        return pixels

    def _encode(self, wish: Wish) -> mx.array:
        vae = self._pipeline.config.vae
        pixels = mx.array(np.asarray(wish.source), dtype=mx.float32)[None] / 127.5 - 1.0
        latents: mx.array = (self._pipeline.vae.encode(pixels) - vae.shift_factor) * vae.scaling_factor
        latents = latents.transpose(0, 3, 1, 2)[:, :, None]
        mx.eval(latents)
        return latents


def _can_be_quantised(_: str, module: Any) -> bool:
    return hasattr(module, "to_quantized") and module.weight.shape[-1] % _GROUP == 0


def _targets() -> list[Any]:
    """mflux' names for what an adapter changes, as names of mlx-vlm's modules."""
    found = []
    for target in ZImageLoRAMapping.get_mapping():
        name = next((name for name in _RENAMED if target.model_path.startswith(name)), None)
        path = target.model_path.replace(name, _RENAMED[name]) if name else target.model_path
        found.append(replace(target, model_path=path))
    return found
