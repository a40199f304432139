"""Random-weight models that make pictures, in the hub's real layout: Z-Image and FLUX.2-klein, of about 1 MB each."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
from mflux.models.common.weights.mapping.weight_mapper import WeightMapper
from mflux.models.flux2.model.flux2_text_encoder.qwen3_text_encoder import Qwen3TextEncoder
from mflux.models.flux2.model.flux2_transformer.transformer import Flux2Transformer
from mflux.models.flux2.model.flux2_vae.decoder.decoder import Flux2Decoder
from mflux.models.flux2.model.flux2_vae.encoder.encoder import Flux2Encoder
from mflux.models.flux2.model.flux2_vae.vae import Flux2VAE
from mflux.models.flux2.weights.flux2_weight_mapping import Flux2WeightMapping
from mlx.utils import tree_flatten

from tests.support.z_image_checkpoint import parts, randomise, tokenizer_files, write_configs, write_weights

#: FLUX.2's text encoder is read after 9, 18 and 27 layers.
_TEXT_LAYERS = 27


def random_z_image(folder: Path, *, seed: int = 0, dtype: mx.Dtype = mx.bfloat16, **sizes: Any) -> Path:
    """Write a Z-Image-Turbo into `folder` and return it."""
    write_configs(folder, **sizes)
    modules = parts(folder)
    for number, module in enumerate(modules.values()):
        randomise(module, seed * 10 + number)
    write_weights(folder, modules, dtype)
    return folder


def random_flux2(folder: Path, *, seed: int = 0) -> Path:
    """Write a FLUX.2-klein into `folder` and return it."""
    text_width, channels = 16, (32, 32, 32, 32)
    transformer = {
        "attention_head_dim": 16,
        "axes_dims_rope": [4, 4, 4, 4],
        "guidance_embeds": False,
        "in_channels": 128,
        "joint_attention_dim": 3 * text_width,
        "mlp_ratio": 2.0,
        "num_attention_heads": 2,
        "num_layers": 1,
        "num_single_layers": 2,
        "patch_size": 1,
        "rope_theta": 2000,
        "timestep_guidance_channels": 256,
    }
    text_encoder = {
        "head_dim": text_width // 2,
        "hidden_size": text_width,
        "intermediate_size": 2 * text_width,
        "max_position_embeddings": 4096,
        "num_attention_heads": 2,
        "num_hidden_layers": _TEXT_LAYERS,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0,
        "vocab_size": 259,
    }
    files: dict[str, Mapping[str, Any]] = {
        "model_index.json": {"_class_name": "Flux2KleinPipeline", "is_distilled": True},
        "transformer/config.json": {"_class_name": "Flux2Transformer2DModel", **transformer},
        "text_encoder/config.json": {"model_type": "qwen3", **text_encoder},
        "vae/config.json": {
            "_class_name": "AutoencoderKLFlux2",
            "block_out_channels": list(channels),
            "layers_per_block": 2,
            "norm_num_groups": 32,
        },
        **{f"tokenizer/{name}": content for name, content in tokenizer_files().items()},
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    vae = Flux2VAE()
    vae.encoder, vae.decoder = (
        Flux2Encoder(block_out_channels=channels),
        Flux2Decoder(block_out_channels=channels),
    )
    modules = {
        "transformer": (Flux2Transformer(**transformer), Flux2WeightMapping.get_transformer_mapping()),
        "text_encoder": (
            Qwen3TextEncoder(**_known(text_encoder)),
            Flux2WeightMapping.get_text_encoder_mapping(),
        ),
        "vae": (vae, Flux2WeightMapping.get_vae_mapping()),
    }
    for number, (part, (module, mapping)) in enumerate(modules.items()):
        randomise(module, seed * 10 + number)
        _write_mapped(folder / part / "model.safetensors", module, mapping)
    return folder


def _known(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name != "model_type"}


def _write_mapped(file: Path, module: Any, mapping: Any) -> None:
    """The weights under the names that mflux reads: its mapping, backwards."""
    stored = {
        own: (name, transform)
        for name, targets in WeightMapper._build_flat_mapping(mapping, _TEXT_LAYERS, _TEXT_LAYERS).items()
        for own, transform in targets
    }
    weights = {}
    flat: Any = tree_flatten(module.parameters())
    for own, array in flat:
        if own.startswith("rotary_emb."):
            continue
        name, transform = stored[own]
        turned = array if transform is None else array.transpose(0, 3, 1, 2)
        weights[name] = mx.contiguous(turned.astype(mx.bfloat16))
    mx.save_safetensors(str(file), weights, {"format": "pt"})
