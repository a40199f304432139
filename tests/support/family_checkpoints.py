"""A tiny random-weight checkpoint of every family of language models that mlxq names, in the hub's real layout.

Sizes are made up; everything else of config.json is what a real model of the family has: its rope scaling, its
kinds of layers, its list of end tokens, its chat template.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.utils import _get_classes

from tests.support import sala
from tests.support.checkpoints import SPECIALS, TEMPLATE, byte_tokenizer

_SIZES = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 2048,
    "rope_theta": 10000.0,
}
_LONGROPE = {
    "type": "longrope",
    "short_factor": [1.0, 1.1, 1.2, 1.3],
    "long_factor": [1.0, 1.3, 1.6, 2.0],
    "original_max_position_embeddings": 1024,
}


@dataclass(frozen=True, slots=True)
class Family:
    """What of a checkpoint makes it one of its family. The last of the special tokens ends an answer."""

    config: dict[str, Any]
    specials: list[str] = field(default_factory=lambda: list(SPECIALS))
    template: str = TEMPLATE
    #: whether the weights lie in two files and an index, as those of big models do
    sharded: bool = False


_HEADERS = Family(
    {},
    ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|end_of_text|>", "<|eot_id|>"],
    "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n'"
    " + message.content + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
)
_INSTRUCTIONS = Family(
    {},
    ["<s>", "[INST]", "[/INST]", "</s>"],
    "{{ bos_token }}{% for message in messages %}{% if message.role == 'user' %}"
    "{{ '[INST]' + message.content + '[/INST]' }}{% else %}{{ message.content + eos_token }}{% endif %}{% endfor %}",
)
_GLM = Family(
    {},
    ["[gMASK]", "<sop>", "<|system|>", "<|assistant|>", "<|endoftext|>", "<|user|>"],
    "[gMASK]<sop>{% for message in messages %}{{ '<|' + message.role + '|>\\n' + message.content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}",
)
_MINICPM = Family(
    {},
    ["<s>", "<用户>", "<AI>", "</s>"],
    "{% for message in messages %}{{ ('<用户>' if message.role == 'user' else '<AI>') + message.content }}"
    "{% endfor %}{% if add_generation_prompt %}<AI>{% endif %}",
)

FAMILIES: dict[str, Family] = {
    "qwen3": Family(
        {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "tie_word_embeddings": True}
    ),
    "mistral": Family(
        {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "tie_word_embeddings": False},
        _INSTRUCTIONS.specials,
        _INSTRUCTIONS.template,
        sharded=True,
    ),
    "ministral3": Family(
        {
            "architectures": ["Ministral3ForCausalLM"],
            "model_type": "ministral3",
            # The window is shorter than any conversation: the rotating cache rotates.
            "layer_types": ["sliding_attention", "full_attention"],
            "sliding_window": 8,
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 1e6,
                "factor": 16.0,
                "beta_fast": 32.0,
                "beta_slow": 1.0,
                "mscale": 1.0,
                "mscale_all_dim": 1.0,
                "llama_4_scaling_beta": 0.1,
                "original_max_position_embeddings": 128,
            },
            "tie_word_embeddings": True,
        },
        _INSTRUCTIONS.specials,
        _INSTRUCTIONS.template,
    ),
    "glm4": Family(
        {
            "architectures": ["Glm4ForCausalLM"],
            "model_type": "glm4",
            "attention_bias": True,
            "partial_rotary_factor": 0.5,
        },
        _GLM.specials,
        _GLM.template,
    ),
    "llama": Family(
        {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "rope_theta": 500000.0,
            "rope_scaling": {
                "factor": 8.0,
                "high_freq_factor": 4.0,
                "low_freq_factor": 1.0,
                "original_max_position_embeddings": 256,
                "rope_type": "llama3",
            },
            "tie_word_embeddings": True,
        },
        _HEADERS.specials,
        _HEADERS.template,
        sharded=True,
    ),
    # Its text alone. What it remembers can't be batched, and is cut into pieces shorter than the conversations.
    "llama4": Family(
        {
            "architectures": ["Llama4ForConditionalGeneration"],
            "model_type": "llama4",
            "text_config": {
                **_SIZES,
                "num_hidden_layers": 4,
                "model_type": "llama4_text",
                "attention_bias": False,
                "attention_chunk_size": 16,
                "interleave_moe_layer_step": 2,
                "intermediate_size_mlp": 128,
                "num_experts_per_tok": 1,
                "num_local_experts": 4,
                "rope_scaling": None,
                "use_qk_norm": True,
                "vocab_size": 261,
            },
        },
        _HEADERS.specials,
        _HEADERS.template,
    ),
    "minicpm": Family(
        {
            "architectures": ["MiniCPMForCausalLM"],
            "model_type": "minicpm",
            "dim_model_base": 32,
            "scale_depth": 1.4,
            "scale_emb": 12,
        },
        _MINICPM.specials,
        _MINICPM.template,
    ),
    "minicpm3": Family(
        {
            "architectures": ["MiniCPM3ForCausalLM"],
            "model_type": "minicpm3",
            "dim_model_base": 32,
            "scale_depth": 1.4,
            "scale_emb": 12,
            "num_key_value_heads": 4,
            "q_lora_rank": 32,
            "kv_lora_rank": 16,
            "qk_nope_head_dim": 8,
            "qk_rope_head_dim": 8,
            "rope_scaling": _LONGROPE,
        },
    ),
    "minicpm-sala": Family(sala.CONFIG),
}


def family_checkpoint(folder: Path, name: str, seed: int = 0) -> Path:
    """Write a checkpoint of that family, of about 100,000 parameters, into `folder` and return it."""
    return write_checkpoint(folder, FAMILIES[name], seed)


def write_checkpoint(folder: Path, family: Family, seed: int = 0) -> Path:
    """Write a checkpoint of random weights into `folder` and return it."""
    folder.mkdir(parents=True)
    tokenizer = byte_tokenizer(family.specials)
    tokenizer.save(str(folder / "tokenizer.json"))
    ends = [tokenizer.token_to_id(token) for token in family.specials[-2:]]
    vocabulary = tokenizer.get_vocab_size()
    config = {**_SIZES, "vocab_size": vocabulary, "eos_token_id": ends, **family.config}
    _write_weights(folder, _weights(config, seed), family.sharded)
    files = {
        "config.json": config,
        "generation_config.json": {"eos_token_id": ends},
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": family.specials[0],
            "eos_token": family.specials[-1],
            "pad_token": family.specials[0],
            "model_max_length": config["max_position_embeddings"],
        },
    }
    for file, content in files.items():
        (folder / file).write_text(json.dumps(content))
    (folder / "chat_template.jinja").write_text(family.template)
    return folder


def _weights(config: dict[str, Any], seed: int) -> dict[str, mx.array]:
    if config["model_type"] == "minicpm_sala":
        return {name: mx.array(value) for name, value in sala.weights(seed).items()}
    model_class, args_class = _get_classes(config)
    mx.random.seed(seed)
    parameters: Any = tree_flatten(model_class(args_class.from_dict(config)).parameters())
    # Freshly drawn weights repeat one token for ever; wider ones wander through the vocabulary.
    return {name: value * 4 for name, value in parameters}


def _write_weights(folder: Path, weights: dict[str, mx.array], sharded: bool) -> None:
    if not sharded:
        mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
        return
    names = sorted(weights)
    parts = {1: names[: len(names) // 2], 2: names[len(names) // 2 :]}
    index: dict[str, str] = {}
    for number, part in parts.items():
        file = f"model-{number:05}-of-00002.safetensors"
        mx.save_safetensors(str(folder / file), {name: weights[name] for name in part}, {"format": "mlx"})
        index |= dict.fromkeys(part, file)
    total = sum(value.nbytes for value in weights.values())
    content = {"metadata": {"total_size": total}, "weight_map": index}
    (folder / "model.safetensors.index.json").write_text(json.dumps(content))
