"""FLUX.2-klein by mflux, one step at a time. Its sizes come from the files of the model.

Images are either started from (`strength`), or looked at: then they are read beside the prompt in each step.
"""

import inspect
from pathlib import Path
from typing import Any

import mlx.core as mx
from mflux.models.common.config.config import Config
from mflux.models.common.config.model_config import ModelConfig
from mflux.models.common.latent_creator.latent_creator import LatentCreator
from mflux.models.common.tokenizer import TokenizerLoader
from mflux.models.common.vae.block_decoder import VAEBlockDecoder
from mflux.models.common.vae.vae_util import VAEUtil
from mflux.models.common.weights.loading.weight_applier import WeightApplier
from mflux.models.common.weights.loading.weight_loader import WeightLoader
from mflux.models.flux2.latent_creator.flux2_latent_creator import Flux2LatentCreator
from mflux.models.flux2.model.flux2_text_encoder.prompt_encoder import Flux2PromptEncoder
from mflux.models.flux2.model.flux2_text_encoder.qwen3_text_encoder import Qwen3TextEncoder
from mflux.models.flux2.model.flux2_transformer.transformer import Flux2Transformer
from mflux.models.flux2.model.flux2_vae.decoder.decoder import Flux2Decoder
from mflux.models.flux2.model.flux2_vae.encoder.encoder import Flux2Encoder
from mflux.models.flux2.model.flux2_vae.vae import Flux2VAE
from mflux.models.flux2.variants.edit.flux2_klein_edit_helpers import MAX_REFERENCE_AREA
from mflux.models.flux2.variants.edit.flux2_klein_edit_helpers import _Flux2KleinEditHelpers as Helpers
from mflux.models.flux2.weights.flux2_lora_mapping import Flux2LoRAMapping
from mflux.models.flux2.weights.flux2_weight_definition import Flux2KleinWeightDefinition
from mflux.utils.apple_silicon import AppleSiliconUtil
from PIL import Image

from mlxq.catalog.foreign_json import read_object
from mlxq.media.formats import GRID
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


class Flux2:
    """A FLUX.2-klein."""

    takes_references = True
    decoding_steps = 0
    max_guidance: float | None = None
    takes_guidance = takes_negative_prompt = True

    def __init__(self, path: Path, quantize: int) -> None:
        weights = WeightLoader.load(weight_definition=Flux2KleinWeightDefinition, model_path=str(path))
        tokenizers = TokenizerLoader.load_all(
            definitions=Flux2KleinWeightDefinition.get_tokenizers(), model_path=str(path)
        )
        self._tokenizer: Any = tokenizers["qwen3"]
        self._vae = _vae(path)
        self._transformer = Flux2Transformer(**_arguments(Flux2Transformer, path / "transformer"))
        self._text_encoder = Qwen3TextEncoder(**_arguments(Qwen3TextEncoder, path / "text_encoder"))
        parts = {"vae": self._vae, "transformer": self._transformer, "text_encoder": self._text_encoder}
        WeightApplier.apply_and_quantize(
            weights=weights,
            quantize_arg=quantize or None,
            weight_definition=Flux2KleinWeightDefinition,
            models=parts,
        )
        self.memory_bytes = load_weights(*parts.values())
        distilled = read_object(path / "model_index.json").get("is_distilled", True)
        self.steps, self.guidance = (4, 1.0) if distilled else (50, 4.0)
        self._loras = LoraSet(self._transformer, Flux2LoRAMapping.get_mapping())

    def apply_loras(self, loras: list[tuple[str, float]]) -> None:
        self._loras.apply(loras)

    def encode_prompt(self, params: ImageParams) -> Conditioning:
        positive = self._encode_text(params.prompt)
        negative = self._encode_text(params.negative_prompt) if params.guidance > 1 else (None, None)
        # There is no mask of the padding: only the tokens before it are counted.
        tokens = self._tokenizer.tokenize(params.prompt or " ").attention_mask
        return Conditioning((positive, negative), int(tokens.sum().item()))

    def start(self, params: ImageParams, conditioning: Conditioning, seed: int) -> DenoiseState:
        config = Config(
            model_config=ModelConfig.flux2_klein_4b(),
            num_inference_steps=params.steps,
            height=params.height,
            width=params.width,
            guidance=params.guidance,
            scheduler="flow_match_euler_discrete",
        )
        scheduler: Any = config.scheduler
        noise, ids, _, _ = Flux2LatentCreator.prepare_packed_latents(
            seed=seed, height=params.height, width=params.width, batch_size=1
        )
        shown, shown_ids = None, None
        if params.strength is None and params.sources:
            shown, shown_ids = Helpers.prepare_reference_image_conditioning(
                vae=self._vae, tiling_config=None, image_paths=[_reference(each) for each in params.sources]
            )
            mx.eval(shown, shown_ids)
        predict = self._predict()

        def velocity(latents: mx.array, index: int) -> mx.array:
            (embeds, text_ids), (negative, negative_ids) = conditioning.embeddings
            way: mx.array = predict(
                latents, ids, shown, shown_ids, embeds, text_ids, negative, negative_ids,
                params.guidance, scheduler.timesteps[index],
            )  # fmt: skip
            return way

        def advance(velocity: mx.array, index: int, latents: mx.array) -> mx.array:
            there: mx.array = scheduler.step(
                noise=velocity, timestep=index, latents=latents, sigmas=scheduler.sigmas
            )
            return there

        state = start_state(
            params, noise, lambda: self._encode_source(params), scheduler.sigmas, velocity, advance
        )
        state.shown = 0 if shown is None else shown.shape[1]
        return state

    def unpack(self, state: DenoiseState, latents: mx.array, params: ImageParams) -> mx.array:
        packed = latents.reshape(1, params.height // 16, params.width // 16, -1).transpose(0, 3, 1, 2)
        unpacked: mx.array = self._vae.unpack_packed_latents(packed)
        return unpacked

    def stages(self) -> list[Stage]:
        return [lambda latents: VAEUtil.decode(vae=self._vae, latent=latents)]

    def pixels(self, decoded: mx.array) -> Pixels:
        return to_pixels(decoded)

    def _encode_text(self, text: str) -> tuple[mx.array, mx.array]:
        # The library can't read nothing; it takes a space for it.
        embeds, ids = Flux2PromptEncoder.encode_prompt(
            prompt=text or " ", tokenizer=self._tokenizer, text_encoder=self._text_encoder
        )
        mx.eval(embeds, ids)
        return embeds, ids

    def _encode_source(self, params: ImageParams) -> mx.array:
        encoded = LatentCreator.encode_image(
            vae=self._vae, image_path=params.source, height=params.height, width=params.width
        )
        encoded = Flux2LatentCreator.patchify_latents(encoded)
        encoded = Helpers.bn_normalize_vae_encoded_latents(encoded, vae=self._vae)
        latents: mx.array = Flux2LatentCreator.pack_latents(encoded)
        mx.eval(latents)
        return latents

    def _predict(self) -> Any:
        transformer = self._transformer

        def predict(
            latents: mx.array, ids: mx.array, shown: mx.array | None, shown_ids: mx.array | None,
            embeds: mx.array, text_ids: mx.array, negative: mx.array | None, negative_ids: mx.array | None,
            guidance: float, timestep: mx.array,
        ) -> mx.array:  # fmt: skip
            states = latents if shown is None else mx.concatenate([latents, shown], axis=1)
            all_ids = ids if shown_ids is None else mx.concatenate([ids, shown_ids], axis=1)

            def towards(embeds: mx.array, text_ids: mx.array) -> mx.array:
                found: mx.array = transformer(
                    hidden_states=states,
                    encoder_hidden_states=embeds,
                    timestep=timestep,
                    img_ids=all_ids,
                    txt_ids=text_ids,
                    guidance=None,
                )
                return found if shown is None else found[:, : latents.shape[1]]

            way = towards(embeds, text_ids)
            if negative is not None and negative_ids is not None:
                away = towards(negative, negative_ids)
                way = away + guidance * (way - away)
            return way

        # As the library does: compiled arithmetic rounds in its own way.
        return predict if AppleSiliconUtil.is_m1_or_m2() else mx.compile(predict)


def _reference(image: Image.Image) -> Image.Image:
    """The image in a size that the library takes: it reduces large ones, and needs 16 pixels of each side then."""
    return image.resize((_side(image.width), _side(image.height)))


def _side(length: int) -> int:
    longest: int = MAX_REFERENCE_AREA // GRID
    return max(GRID, min(length, longest))


def _vae(path: Path) -> Any:
    """The library's autoencoder in the sizes that its config.json names."""
    config = read_object(path / "vae" / "config.json")
    vae = Flux2VAE()
    vae.decode_mode = VAEBlockDecoder.LOW_MEMORY
    sizes = {}
    for name in ("block_out_channels", "layers_per_block", "norm_num_groups"):
        if name in config:
            value = config[name]
            sizes[name] = tuple(value) if isinstance(value, list) else value
    if sizes:
        vae.encoder = Flux2Encoder(**sizes)
        own: Any = config.get("decoder_block_out_channels")
        vae.decoder = Flux2Decoder(**(sizes | ({"block_out_channels": tuple(own)} if own else {})))
    return vae


def _arguments(kind: Any, folder: Path) -> dict[str, object]:
    """The arguments of this class that config.json names."""
    config = read_object(folder / "config.json")
    known = inspect.signature(kind.__init__).parameters
    parameters = config.get("rope_parameters")
    rope = parameters.get("rope_theta") if isinstance(parameters, dict) else None
    if rope is not None:
        config["rope_theta"] = rope
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in config.items()
        if name in known and value is not None
    }


MODEL = Flux2
