"""Z-Image checkpoints of any size in the hub's real layout: what its loaders read, from modules of mlx-vlm.

It knows names and shapes of files; it does not know where the weights come from. A prompt's tokens are bytes.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten
from mlx_vlm.models.z_image.config import ZImageConfig
from mlx_vlm.models.z_image.text_encoder import ZImageTextEncoder
from mlx_vlm.models.z_image.transformer import ZImageTransformer
from mlx_vlm.models.z_image.vae import ZImageVAE
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)
_SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
#: Modules whose files name them otherwise: mlx-vlm's name, the hub's.
_RENAMED = {
    "final_layer.adaLN_modulation.0.": "all_final_layer.2-1.adaLN_modulation.1.",
    "final_layer.": "all_final_layer.2-1.",
    "x_embedder.": "all_x_embedder.2-1.",
    "t_embedder.linear1.": "t_embedder.mlp.0.",
    "t_embedder.linear2.": "t_embedder.mlp.2.",
}


def write_configs(
    folder: Path,
    *,
    width: int = 32,
    layers: int = 2,
    refiners: int = 1,
    text_width: int = 32,
    text_layers: int = 2,
    channels: tuple[int, ...] = (32, 32, 32, 32),
    latents: int = 16,
    scale: tuple[float, float] = (0.3611, 0.1159),
) -> Path:
    """Everything of a checkpoint but its weights. `width` is of two heads; `scale`: of latents, and their shift."""
    head = width // 2
    texts = tokenizer_files()
    files: dict[str, Mapping[str, Any]] = {
        "model_index.json": {
            "_class_name": "ZImagePipeline",
            "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
            "text_encoder": ["transformers", "Qwen3Model"],
            "tokenizer": ["transformers", "Qwen2Tokenizer"],
            "transformer": ["diffusers", "ZImageTransformer2DModel"],
            "vae": ["diffusers", "AutoencoderKL"],
        },
        "scheduler/scheduler_config.json": {
            "_class_name": "FlowMatchEulerDiscreteScheduler",
            "num_train_timesteps": 1000,
            "shift": 3.0,
        },
        "transformer/config.json": {
            "_class_name": "ZImageTransformer2DModel",
            "all_f_patch_size": [1],
            "all_patch_size": [2],
            "axes_dims": [head - 2 * (head // 8 * 3), head // 8 * 3, head // 8 * 3],
            "cap_feat_dim": text_width,
            "dim": width,
            "in_channels": latents,
            "n_heads": 2,
            "n_kv_heads": 2,
            "n_layers": layers,
            "n_refiner_layers": refiners,
            "norm_eps": 1e-5,
            "rope_theta": 256.0,
            "t_scale": 1000.0,
        },
        "text_encoder/config.json": {
            "architectures": ["Qwen3ForCausalLM"],
            "head_dim": text_width // 2,
            "hidden_size": text_width,
            "intermediate_size": 2 * text_width,
            "max_position_embeddings": 4096,
            "model_type": "qwen3",
            "num_attention_heads": 2,
            "num_hidden_layers": text_layers,
            "num_key_value_heads": 2,
            "rms_norm_eps": 1e-6,
            "rope_theta": 1000000.0,
            "vocab_size": 256 + len(_SPECIALS),
        },
        "vae/config.json": {
            "_class_name": "AutoencoderKL",
            "block_out_channels": list(channels),
            "latent_channels": latents,
            "layers_per_block": 1,
            "norm_num_groups": 32,
            "scaling_factor": scale[0],
            "shift_factor": scale[1],
        },
        **{f"tokenizer/{name}": content for name, content in texts.items()},
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content, indent=1))
    return folder


def tokenizer_files() -> dict[str, dict[str, Any]]:
    """The files of a tokenizer whose tokens are the 256 bytes and three special ones."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: i for i, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in _SPECIALS])
    return {
        "tokenizer.json": json.loads(tokenizer.to_str()),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "model_max_length": 4096,
            "chat_template": TEMPLATE,
        },
    }


def parts(folder: Path) -> dict[str, Any]:
    """The modules that the files in this folder describe, with new weights."""
    config = ZImageConfig.from_model_path(folder)
    return {
        "transformer": ZImageTransformer(config.transformer),
        "text_encoder": ZImageTextEncoder(config.text_encoder),
        "vae": ZImageVAE(config.vae),
    }


def randomise(module: Any, seed: int) -> None:
    """Weights that let every input through: of what is no norm and no bias each row is about 1 long."""
    keys = iter(mx.random.split(mx.random.key(seed), 1000))
    weights = []
    flat: Any = tree_flatten(module.parameters())
    for name, array in flat:
        if name.endswith(("_pad_token", "bias", "running_mean")):
            made = mx.zeros(array.shape)
        elif array.ndim == 1:
            made = mx.ones(array.shape)
        else:
            made = mx.random.normal(array.shape, key=next(keys)) / (array.size / array.shape[0]) ** 0.5
        weights.append((name, made.astype(array.dtype)))
    module.update(tree_unflatten(weights))


def write_weights(folder: Path, modules: Mapping[str, Any], dtype: mx.Dtype = mx.bfloat16) -> None:
    """The modules' weights under the hub's names, in the hub's order of axes."""
    for part, module in modules.items():
        weights = {}
        flat: Any = tree_flatten(module.parameters())
        for name, array in flat:
            if "rotary_emb" not in name:
                stored = array.transpose(0, 3, 1, 2) if part == "vae" and array.ndim == 4 else array
                weights[_stored_name(part, name)] = mx.contiguous(stored.astype(dtype))
        file = "model.safetensors" if part == "text_encoder" else "diffusion_pytorch_model.safetensors"
        mx.save_safetensors(str(folder / part / file), weights, {"format": "pt"})


def _stored_name(part: str, name: str) -> str:
    if part == "text_encoder":
        return f"model.{name}"
    if part == "vae":
        return name.replace(".to_out.", ".to_out.0.")
    for own, stored in _RENAMED.items():
        if name.startswith(own):
            return stored + name.removeprefix(own)
    return name
