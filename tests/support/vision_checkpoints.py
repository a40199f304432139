"""Random-weight vision models in the hub's real layout: Qwen2-VL, Qwen3-VL and Gemma 3, each of about 500 kB.

The vocabulary is the 256 bytes and the family's special tokens.
"""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_vlm.utils import get_model_and_args, update_module_configs
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

QWEN_SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
GEMMA_SPECIALS = (
    "<pad>",
    "<eos>",
    "<bos>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<start_of_image>",
    "<end_of_image>",
    "<image_soft_token>",
)
QWEN_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message.role + '\\n' }}"
    "{%- if message.content is string -%}{{ message.content }}{%- else -%}"
    "{%- for part in message.content -%}"
    "{%- if part.type == 'image' -%}{{ '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{%- elif 'text' in part -%}{{ part.text }}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{{ '<|im_end|>\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)
GEMMA_TEMPLATE = (
    "{{ bos_token }}"
    "{%- for message in messages -%}"
    "{{ '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\\n' }}"
    "{%- if message.content is string -%}{{ message.content | trim }}{%- else -%}"
    "{%- for part in message.content -%}"
    "{%- if part.type == 'image' -%}{{ '<start_of_image>' }}"
    "{%- elif part.type == 'text' -%}{{ part.text | trim }}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{{ '<end_of_turn>\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}"
)


def random_qwen2_vl(folder: Path, *, seed: int = 0) -> Path:
    """Write a Qwen2-VL checkpoint into `folder` and return it."""
    tokenizer = _tokenizer(QWEN_SPECIALS)
    config = {
        "architectures": ["Qwen2VLForConditionalGeneration"],
        "model_type": "qwen2_vl",
        **_text(tokenizer, "<|im_end|>"),
        **_qwen_tokens(tokenizer),
        "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
        "vision_config": {
            "model_type": "qwen2_vl",
            "depth": 2,
            "embed_dim": 32,
            "hidden_size": 64,
            "num_heads": 4,
            "mlp_ratio": 2,
            "patch_size": 14,
            "spatial_patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
    }
    return _write(folder, seed, tokenizer, config, _qwen_files("Qwen2VL", patch=14), template=QWEN_TEMPLATE)


def random_qwen3_vl(folder: Path, *, seed: int = 0) -> Path:
    """Write a Qwen3-VL checkpoint into `folder` and return it."""
    tokenizer = _tokenizer(QWEN_SPECIALS)
    config = {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "eos_token_id": tokenizer.token_to_id("<|im_end|>"),
        "tie_word_embeddings": True,
        **_qwen_tokens(tokenizer),
        "text_config": {
            "model_type": "qwen3_vl_text",
            **_text(tokenizer, "<|im_end|>"),
            "rope_scaling": {"rope_type": "default", "mrope_section": [2, 3, 3], "mrope_interleaved": True},
        },
        "vision_config": {
            "model_type": "qwen3_vl",
            "depth": 3,
            "hidden_size": 32,
            "intermediate_size": 64,
            "out_hidden_size": 64,
            "num_heads": 4,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0, 1],
        },
    }
    return _write(folder, seed, tokenizer, config, _qwen_files("Qwen3VL", patch=16), template=QWEN_TEMPLATE)


def random_gemma3(folder: Path, *, seed: int = 0) -> Path:
    """Write a Gemma 3 checkpoint into `folder` and return it. Its window is shorter than a chat with a picture."""
    tokenizer = _tokenizer(GEMMA_SPECIALS)
    config = {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "model_type": "gemma3",
        "eos_token_id": [tokenizer.token_to_id("<eos>"), tokenizer.token_to_id("<end_of_turn>")],
        "image_token_index": tokenizer.token_to_id("<image_soft_token>"),
        "boi_token_index": tokenizer.token_to_id("<start_of_image>"),
        "eoi_token_index": tokenizer.token_to_id("<end_of_image>"),
        "pad_token_id": tokenizer.token_to_id("<pad>"),
        "mm_tokens_per_image": 4,
        "hidden_size": 64,
        "vocab_size": tokenizer.get_vocab_size(),
        "text_config": {
            "model_type": "gemma3_text",
            **_text(tokenizer, "<end_of_turn>"),
            "query_pre_attn_scalar": 16,
            "sliding_window": 32,
            "sliding_window_pattern": 2,
            "mm_tokens_per_image": 4,
        },
        "vision_config": {
            "model_type": "siglip_vision_model",
            "num_hidden_layers": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_attention_heads": 4,
            "patch_size": 14,
            "image_size": 56,
        },
    }
    files = {
        "preprocessor_config.json": {
            "image_processor_type": "Gemma3ImageProcessor",
            "processor_class": "Gemma3Processor",
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "image_seq_length": 4,
            "resample": 2,
            "rescale_factor": 1 / 255,
            "size": {"height": 56, "width": 56},
        },
        "processor_config.json": {"image_seq_length": 4, "processor_class": "Gemma3Processor"},
    }
    specials = {
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    return _write(
        folder,
        seed,
        tokenizer,
        config,
        files,
        template=GEMMA_TEMPLATE,
        tokenizer_class="PreTrainedTokenizerFast",
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        extra_special_tokens=specials,
        **specials,
    )


def _text(tokenizer: Tokenizer, end: str) -> dict[str, Any]:
    return {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "intermediate_size": 128,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "rms_norm_eps": 1e-6,
        "vocab_size": tokenizer.get_vocab_size(),
        "max_position_embeddings": 2048,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "eos_token_id": tokenizer.token_to_id(end),
    }


def _qwen_tokens(tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "image_token_id": tokenizer.token_to_id("<|image_pad|>"),
        "video_token_id": tokenizer.token_to_id("<|video_pad|>"),
        "vision_start_token_id": tokenizer.token_to_id("<|vision_start|>"),
        "vision_end_token_id": tokenizer.token_to_id("<|vision_end|>"),
        "vocab_size": tokenizer.get_vocab_size(),
    }


def _qwen_files(family: str, patch: int) -> dict[str, Any]:
    side = 2 * patch
    return {
        "preprocessor_config.json": {
            "image_processor_type": "Qwen2VLImageProcessorFast",
            "processor_class": f"{family}Processor",
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "min_pixels": 4 * side * side,
            "max_pixels": 36 * side * side,
            "size": {"shortest_edge": 4 * side * side, "longest_edge": 36 * side * side},
            "merge_size": 2,
            "patch_size": patch,
            "temporal_patch_size": 2,
        }
    }


def _write(
    folder: Path,
    seed: int,
    tokenizer: Tokenizer,
    config: dict[str, Any],
    files: dict[str, Any],
    *,
    template: str,
    **tokenizer_config: Any,
) -> Path:
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    contents = {
        "config.json": config,
        "generation_config.json": {"eos_token_id": config["eos_token_id"]},
        "tokenizer_config.json": {
            "tokenizer_class": "Qwen2Tokenizer",
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "model_max_length": 2048,
            **tokenizer_config,
        },
        **files,
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content))
    (folder / "chat_template.jinja").write_text(template)
    mx.random.seed(seed)
    parameters: Any = tree_flatten(_model(config).parameters())
    # Fresh weights repeat one token for ever, and Gemma's projection of pictures is all ones. Wide weights and
    # small embeddings make a model that wanders and looks at its pictures.
    weights = {
        name: value
        if value.ndim == 1
        else mx.random.normal(value.shape) * (0.05 if "embed_" in name else 0.3)
        for name, value in parameters
    }
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    return folder


def _model(config: dict[str, Any]) -> Any:
    """The model of this config.json, as mlx-vlm makes it when it loads one."""
    config = json.loads(json.dumps(config))
    config.setdefault("text_config", {})
    family, _ = get_model_and_args(config)
    model_config = family.ModelConfig.from_dict(config)
    update: Any = update_module_configs
    return family.Model(update(model_config, family, config, ["text", "vision"]))


def _tokenizer(specials: tuple[str, ...]) -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: i for i, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in specials])
    return tokenizer
