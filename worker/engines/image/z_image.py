"""Z-Image by mlx-vlm, one step at a time. Its sizes come from the files of the model.

As in the library N steps are N - 1 passes through the model and the decoding.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx_vlm.models.mage_flow.scheduler import FlowMatchEulerDiscreteScheduler
from mlx_vlm.models.z_image.pipeline import ZImagePipeline

from jobs.errors import NotSupported
from mlxq.catalog.extras import lacking
from worker.engines.image.diffusion import (
    Conditioning,
    DenoiseState,
    ImageParams,
    Pixels,
    Stage,
    editable_blocks,
    first_step,
)
from worker.engines.weights import load_weights

try:  # the library that reads adapters is an extra
    from mflux.models.z_image.weights.z_image_lora_mapping import ZImageLoRAMapping

    from worker.engines.image.loras import LoraSet

    _LACKING = None
except ModuleNotFoundError as error:
    _LACKING = lacking(error)

#: What mlx-vlm calls the parts that mflux names as their files do.
_RENAMED = {"all_x_embedder.2-1": "x_embedder", "all_final_layer.2-1": "final_layer"}
_GROUP = 64


class ZImage:
    """A Z-Image-Turbo, or the model it was made from."""

    takes_references = False
    decoding_steps = 1

    def __init__(self, path: Path, quantize: int) -> None:
        # The encoder stays: the library would read it from disk again for each image.
        self._pipeline: Any = ZImagePipeline(path, evict_text_encoder=False)
        self._pipeline._ensure_components()
        config = self._pipeline.config
        self.steps = int(config.default_steps)
        self.guidance = float(config.default_guidance)
        self.max_guidance = 1.0 if config.variant == "turbo" else None
        self.takes_guidance = self.takes_negative_prompt = config.variant != "turbo"
        parts: tuple[Any, ...] = (
            self._pipeline.transformer,
            self._pipeline.text_encoder,
            self._pipeline.vae,
        )
        if quantize:
            for part in parts[:2]:
                nn.quantize(part, _GROUP, quantize, class_predicate=_can_be_quantised)
        self.memory_bytes = load_weights(*parts)
        self._loras = None if _LACKING else LoraSet(self._pipeline.transformer, _targets())

    def apply_loras(self, loras: list[tuple[str, float]]) -> None:
        if self._loras is not None:
            self._loras.apply(loras)
        elif loras and _LACKING:
            raise NotSupported(_LACKING.message, param="loras")

    def encode_prompt(self, params: ImageParams) -> Conditioning:
        positive = self._pipeline._encode_prompt(params.prompt)
        negative = self._pipeline._encode_prompt(params.negative_prompt) if params.guidance > 1 else None
        return Conditioning((positive, negative), int(self._pipeline.count_prompt_tokens(params.prompt)))

    def start(self, params: ImageParams, conditioning: Conditioning, seed: int) -> DenoiseState:
        transformer: Any = self._pipeline.transformer
        positive, negative = conditioning.embeddings
        scheduler = FlowMatchEulerDiscreteScheduler(
            num_inference_steps=max(1, params.steps - 1), shift=self._pipeline.config.scheduler_shift
        )
        sigmas = scheduler.sigmas

        def velocity(latents: mx.array, index: int) -> mx.array:
            t = (1.0 - sigmas[index]).reshape(1)
            prediction = transformer(latents, t, positive)
            if negative is not None:
                prediction = prediction + params.guidance * (prediction - transformer(latents, t, negative))
            way: mx.array = -prediction
            return way

        def advance(velocity: mx.array, index: int, latents: mx.array) -> mx.array:
            there: mx.array = scheduler.step(velocity=velocity, step_index=index, latents=latents)
            return there

        shape = (1, self._pipeline.config.vae.latent_channels, 1, params.height // 8, params.width // 8)
        noise = mx.random.normal(shape, key=mx.random.key(seed), dtype=mx.float32)
        if params.strength is None:
            return DenoiseState(noise, sigmas, 0, velocity, advance)
        source = self._encode(params)
        index = first_step(int(sigmas.shape[0]) - 1, params.strength)
        sigma = sigmas[index].astype(source.dtype)
        latents = (1.0 - sigma) * source + sigma * noise
        frozen = None
        if params.editable is not None:
            frozen = mx.array(~editable_blocks(params.editable, 8))[None, None, None]
        return DenoiseState(latents, sigmas, index, velocity, advance, source, noise, frozen)

    def unpack(self, state: DenoiseState, latents: mx.array, params: ImageParams) -> mx.array:
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

    def _encode(self, params: ImageParams) -> mx.array:
        vae = self._pipeline.config.vae
        pixels = mx.array(np.asarray(params.source), dtype=mx.float32)[None] / 127.5 - 1.0
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


MODEL = ZImage
